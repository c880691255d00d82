package observe

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// sets are the instance's StatefulSets by name. Those of a cluster are found by
// label: there may be more of them than are wished for.
func (o Observer) sets(ctx context.Context, v *v1alpha1.Valkey) (map[string]*appsv1.StatefulSet, error) {
	if !v.Spec.IsCluster() {
		set, err := o.statefulSet(ctx, v)
		if set == nil || err != nil {
			return nil, err
		}
		return map[string]*appsv1.StatefulSet{set.Name: set}, nil
	}
	list := &appsv1.StatefulSetList{}
	if err := o.Reader.List(ctx, list, client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector())); err != nil {
		return nil, fmt.Errorf("list StatefulSets of %s: %w", instance(v), err)
	}
	out := map[string]*appsv1.StatefulSet{}
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], v) {
			out[list.Items[i].Name] = &list.Items[i]
		}
	}
	return out, nil
}

func (o Observer) statefulSet(ctx context.Context, v *v1alpha1.Valkey) (*appsv1.StatefulSet, error) {
	sts := &appsv1.StatefulSet{}
	err := o.Reader.Get(ctx, client.ObjectKey{Namespace: v.Namespace, Name: v.Name}, sts)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read StatefulSet %s: %w", instance(v), err)
	}
	if !metav1.IsControlledBy(sts, v) {
		return nil, nil // somebody else's: the controller says so
	}
	return sts, nil
}

// shardCount is how many shards there are, or are to be: as many as are wished
// for, and up to the last of which anything is left, if only slots that it had when it
// was last seen.
func shardCount(v *v1alpha1.Valkey, sets map[string]*appsv1.StatefulSet, pods []corev1.Pod) int {
	count := int(v.Spec.ShardCount())
	if !v.Spec.IsCluster() {
		return count
	}
	see := func(name string) {
		if k, ok := ordinal(v.Name+"-shard", name); ok && k < mostShards {
			count = max(count, k+1)
		}
	}
	for name := range sets {
		see(name)
	}
	for _, s := range v.Status.Shards {
		if s.SlotRanges != "" {
			see(s.Name)
		}
	}
	for i := range pods {
		if end := strings.LastIndexByte(pods[i].Name, '-'); end > 0 {
			see(pods[i].Name[:end])
		}
	}
	return count
}

// mostShards is more than any instance has: a name that counts higher is none of
// ours.
const mostShards = 1000

// shard is what Kubernetes says of shard k.
func (o Observer) shard(ctx context.Context, v *v1alpha1.Valkey, k int, set *appsv1.StatefulSet, pods []corev1.Pod, applied Applied) model.Shard {
	shard := model.Shard{
		Name:     v.ShardName(k),
		Index:    k,
		Leaving:  k >= int(v.Spec.ShardCount()),
		Exists:   set != nil,
		Revision: revision(set, applied[v.ShardName(k)]),
		Size:     size(set),
	}
	shard.Nodes = nodes(shard.Name, shard.Size, pods, o.Now())
	o.Absences.fill(ctx, instance(v), set, shard.Nodes, o.Now())
	for i := range shard.Nodes {
		n := &shard.Nodes[i]
		n.Zone = o.Zones.Of(ctx, n.Host)
		host := o.Evacuations.Of(n.Host)
		n.Evacuate = cmp.Or(n.Evacuate, host.Why)
		endWithHost(n, host.ShutDown, o.Now())
	}
	return shard
}

// revision is that of a fresh pod, empty until the StatefulSet controller has
// seen the newest template, and the cache what that controller has seen.
func revision(sts *appsv1.StatefulSet, applied int64) string {
	if sts == nil || sts.Generation < applied || sts.Status.ObservedGeneration < sts.Generation {
		return ""
	}
	return sts.Status.UpdateRevision
}

func size(sts *appsv1.StatefulSet) int {
	if sts == nil || sts.Spec.Replicas == nil {
		return 0
	}
	return int(*sts.Spec.Replicas)
}

// nodesOf are all nodes of an instance, to be filled in.
func nodesOf(snap model.Snapshot) []*model.Node {
	var out []*model.Node
	for i := range snap.Shards {
		for j := range snap.Shards[i].Nodes {
			out = append(out, &snap.Shards[i].Nodes[j])
		}
	}
	return out
}

// shardMemory is what the status keeps of a shard.
type shardMemory v1alpha1.ShardStatus

// remembered is what the status keeps of each shard, by name. A topology with one
// shard keeps it in the status itself.
func remembered(v *v1alpha1.Valkey) map[string]shardMemory {
	if !v.Spec.IsCluster() {
		s := v.Status
		return map[string]shardMemory{v.ShardName(0): {Formed: s.Formed, LastPrimary: s.LastPrimary, History: s.History,
			LastHandover: s.LastHandover, HandoverFailure: s.HandoverFailure}}
	}
	out := map[string]shardMemory{}
	for _, s := range v.Status.Shards {
		out[s.Name] = shardMemory(s)
	}
	return out
}

func (s shardMemory) memory() model.Memory {
	return model.Memory{Formed: s.Formed, Primary: s.LastPrimary, PrimaryID: s.LastPrimaryID, History: s.History, Slots: model.ParseSlots(s.SlotRanges)}
}

// left is whom the role was last handed over from, and how long ago.
func (s shardMemory) left(now time.Time) (string, time.Duration) {
	h := s.LastHandover
	if h == nil {
		return "", 0
	}
	return h.From, now.Sub(h.Time.Time)
}

func (s shardMemory) attempt(now time.Time) model.Attempt {
	f := s.HandoverFailure
	if f == nil {
		return model.Attempt{}
	}
	return model.Attempt{Failures: int(f.Count), Since: now.Sub(f.Time.Time), Error: f.Message}
}
