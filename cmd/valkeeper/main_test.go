package main

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

func TestOnlyTheNamedNamespacesAreWatched(t *testing.T) {
	for flag, want := range map[string][]string{
		"": nil, "shop": {"shop"}, "shop, cart,": {"cart", "shop"},
	} {
		have := slices.Sorted(maps.Keys(cacheOptions(flag).DefaultNamespaces))
		if !slices.Equal(have, want) {
			t.Errorf("--watch-namespaces=%q: %v, want %v", flag, have, want)
		}
	}
}

func TestOfOtherPeoplesServicesOnlyTheirExistenceIsKept(t *testing.T) {
	theirs := metav1.ObjectMeta{Name: "theirs", Annotations: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{}}}
	ours := *theirs.DeepCopy()
	ours.Labels = map[string]string{"app.kubernetes.io/managed-by": v1alpha1.ManagedBy, discoveryv1.LabelManagedBy: v1alpha1.ManagedBy}
	endpoints, ports := []discoveryv1.Endpoint{{}}, []discoveryv1.EndpointPort{{}}
	for _, row := range []struct {
		meta metav1.ObjectMeta
		kept int
	}{{theirs, 0}, {ours, 1}} {
		out, err := stripOthers(&corev1.Service{ObjectMeta: *row.meta.DeepCopy(), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{}}}})
		if s, ok := out.(*corev1.Service); err != nil || !ok || len(s.Spec.Ports) != row.kept || len(s.ManagedFields) != 0 || len(s.Annotations) != row.kept {
			t.Errorf("Service %+v", out)
		}
		out, err = stripOthers(&discoveryv1.EndpointSlice{ObjectMeta: *row.meta.DeepCopy(), Endpoints: endpoints, Ports: ports})
		if s, ok := out.(*discoveryv1.EndpointSlice); err != nil || !ok || len(s.Endpoints) != row.kept || len(s.Ports) != row.kept || len(s.ManagedFields) != 0 {
			t.Errorf("EndpointSlice %+v", out)
		}
	}
}
