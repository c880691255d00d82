package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// claims are the volume claims of an instance that has storage, by their metadata
// alone: what matters is which there are.
func (o Observer) claims(ctx context.Context, v *v1alpha1.Valkey) ([]metav1.PartialObjectMetadata, error) {
	if v.Spec.Storage == nil {
		return nil, nil
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaimList"))
	err := o.Reader.List(ctx, list, client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector()))
	if err != nil {
		return nil, fmt.Errorf("list the volume claims of %s: %w", instance(v), err)
	}
	return list.Items, nil
}

// leftovers are the claims of pods of a StatefulSet beyond its size.
func leftovers(set string, size int, claims []metav1.PartialObjectMetadata) []model.Leftover {
	var out []model.Leftover
	for i := range claims {
		pod, ours := strings.CutPrefix(claims[i].Name, v1alpha1.DataVolume+"-")
		if k, ok := ordinal(set, pod); ours && ok && k >= size {
			out = append(out, model.Leftover{Claim: claims[i].Name, Ordinal: k, Going: going(&claims[i])})
		}
	}
	slices.SortFunc(out, func(a, b model.Leftover) int { return a.Ordinal - b.Ordinal })
	return out
}

// going says that a claim is being deleted, or will be with the pod that owns it: a
// StatefulSet that is scaled in gives it to the pod that leaves (kubernetes v1.37
// pkg/controller/statefulset/stateful_set_utils.go updateClaimOwnerRefForSetAndPod).
func going(claim *metav1.PartialObjectMetadata) bool {
	return claim.DeletionTimestamp != nil ||
		slices.ContainsFunc(claim.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "Pod" })
}
