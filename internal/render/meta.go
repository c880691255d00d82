package render

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	managedByLabel = "app.kubernetes.io/managed-by"
	// Annotations of the pod template. They are there to change when a pod has
	// to restart although nothing else in its template does.
	restartTokenAnnotation = "valkeeper.io/restart-token"
	authAnnotation         = "valkeeper.io/auth"
)

// labels of every object of the instance, its pods included.
func labels(v *v1alpha1.Valkey) map[string]string {
	out := v.PodSelector()
	out[managedByLabel] = v1alpha1.ManagedBy
	return out
}

// meta of an object that the instance owns: it goes when the instance does.
func meta(v *v1alpha1.Valkey, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: v.Namespace,
		Name:      name,
		Labels:    labels(v),
		OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(v, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind)),
		},
	}
}
