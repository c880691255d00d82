package render

import (
	"maps"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// shard is what tells the objects of one shard from those of the others.
type shard struct {
	name string
	// labels of its own; none with a topology that has one shard.
	labels map[string]string
}

// shardsOf an instance are those that are wished for and, after them, those that
// exist beyond: they are looked after like the others until they are empty and
// their StatefulSets have gone.
func shardsOf(v *v1alpha1.Valkey, existing map[string]*appsv1.StatefulSet) []shard {
	if !v.Spec.IsCluster() {
		return []shard{{name: v.Name}}
	}
	numbers := map[int]bool{}
	for k := range int(v.Spec.ShardCount()) {
		numbers[k] = true
	}
	for name := range existing {
		if k, ok := v.ShardNumber(name); ok {
			numbers[k] = true
		}
	}
	var out []shard
	for _, k := range slices.Sorted(maps.Keys(numbers)) {
		out = append(out, shard{name: v.ShardName(k), labels: map[string]string{v1alpha1.ShardLabel: strconv.Itoa(k)}})
	}
	return out
}

// selector of the shard's pods.
func (s shard) selector(v *v1alpha1.Valkey) map[string]string {
	out := v.PodSelector()
	maps.Copy(out, s.labels)
	return out
}

// meta of an object that is the shard's alone.
func (s shard) meta(v *v1alpha1.Valkey, name string) metav1.ObjectMeta {
	out := meta(v, name)
	maps.Copy(out.Labels, s.labels)
	return out
}
