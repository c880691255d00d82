package render

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// nodesService leads to every pod, ready or not: servers and the operator look
// for each other before they are in service.
func nodesService(v *v1alpha1.Valkey) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: meta(v, v.NodesServiceName()),
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			ClusterIP:                corev1.ClusterIPNone,
			Selector:                 v.PodSelector(),
			PublishNotReadyAddresses: true,
			Ports:                    servicePorts(),
		},
	}
}

// routedService has no selector. The operator writes its EndpointSlice, so that
// it moves from one pod to another in a single write.
func routedService(v *v1alpha1.Valkey, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: meta(v, name),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: servicePorts()},
	}
}

// clusterService leads clients to any server in service. It tells them of the
// others, and from then on they go to the pods themselves.
func clusterService(v *v1alpha1.Valkey) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: meta(v, v.ClusterServiceName()),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: v.PodSelector(), Ports: servicePorts()},
	}
}

// servicePorts bear the name that the EndpointSlices use too.
func servicePorts() []corev1.ServicePort {
	return []corev1.ServicePort{{
		Name:       v1alpha1.ContainerName,
		Port:       v1alpha1.Port,
		TargetPort: intstr.FromInt32(v1alpha1.Port),
		Protocol:   corev1.ProtocolTCP,
	}}
}
