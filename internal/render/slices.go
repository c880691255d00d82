package render

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Endpoint is a pod that a Service leads to. Host and Zone may be empty.
type Endpoint struct {
	IP   string // an IPv4 address
	Pod  string
	UID  string
	Host string
	Zone string
}

// PrimarySlice makes the primary Service lead to one pod, or to none with nil.
func PrimarySlice(v *v1alpha1.Valkey, primary *Endpoint) *discoveryv1.EndpointSlice {
	if primary == nil {
		return slice(v, v.PrimaryServiceName(), nil)
	}
	return slice(v, v.PrimaryServiceName(), []Endpoint{*primary})
}

// ReplicaSlice makes the replicas' Service lead to these pods. Their order does
// not matter.
func ReplicaSlice(v *v1alpha1.Valkey, replicas []Endpoint) *discoveryv1.EndpointSlice {
	return slice(v, v.ReplicasServiceName(), replicas)
}

func slice(v *v1alpha1.Valkey, service string, to []Endpoint) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{
		ObjectMeta:  meta(v, service),
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   make([]discoveryv1.Endpoint, 0, len(to)),
		Ports: []discoveryv1.EndpointPort{{
			Name:     ptr.To(v1alpha1.ContainerName),
			Port:     ptr.To[int32](v1alpha1.Port),
			Protocol: ptr.To(corev1.ProtocolTCP),
		}},
	}
	out.Labels[discoveryv1.LabelServiceName] = service
	out.Labels[discoveryv1.LabelManagedBy] = v1alpha1.ManagedBy
	sorted := slices.SortedFunc(slices.Values(to), func(a, b Endpoint) int { return cmp.Compare(a.Pod, b.Pod) })
	for _, e := range sorted {
		out.Endpoints = append(out.Endpoints, endpoint(v.Namespace, e))
	}
	return out
}

func endpoint(namespace string, e Endpoint) discoveryv1.Endpoint {
	out := discoveryv1.Endpoint{
		Addresses: []string{e.IP},
		Conditions: discoveryv1.EndpointConditions{
			Ready: ptr.To(true), Serving: ptr.To(true), Terminating: ptr.To(false),
		},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: e.Pod, UID: types.UID(e.UID)},
	}
	if e.Host != "" {
		out.NodeName = ptr.To(e.Host)
	}
	if e.Zone != "" {
		out.Zone = ptr.To(e.Zone)
	}
	return out
}
