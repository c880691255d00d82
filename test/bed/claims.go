package bed

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Claims are the names of the volume claims of the instance's servers, sorted.
func (i *Instance) Claims(ctx context.Context) ([]string, error) {
	var list corev1.PersistentVolumeClaimList
	err := i.Cluster.List(ctx, &list, client.InNamespace(i.Namespace), client.MatchingLabels{
		"app.kubernetes.io/instance": i.Name, "app.kubernetes.io/component": "data",
	})
	var names []string
	for _, claim := range list.Items {
		names = append(names, claim.Name)
	}
	slices.Sort(names)
	return names, err
}
