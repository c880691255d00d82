package controller

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// asDeclared says whether an object already is what is declared. Fields that
// are not declared do not count: the API server has defaults for them. A wish
// that was taken back changes the hash in the StatefulSet's annotations.
func asDeclared(existing, desired client.Object) bool {
	if !contains(existing.GetLabels(), desired.GetLabels()) || !contains(existing.GetAnnotations(), desired.GetAnnotations()) {
		return false
	}
	same := equality.Semantic.DeepDerivative
	switch want := desired.(type) {
	case *appsv1.StatefulSet:
		have, ok := existing.(*appsv1.StatefulSet)
		return ok && same(want.Spec, have.Spec)
	case *corev1.Service:
		have, ok := existing.(*corev1.Service)
		return ok && same(want.Spec, have.Spec)
	case *corev1.Secret:
		have, ok := existing.(*corev1.Secret)
		return ok && same(want.Data, have.Data)
	case *policyv1.PodDisruptionBudget:
		have, ok := existing.(*policyv1.PodDisruptionBudget)
		return ok && same(want.Spec, have.Spec)
	case *corev1.ConfigMap:
		return true // immutable, and named by its content
	}
	return false
}
