package render

import (
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// budgets protect the primary always, and all replicas but one. Their labels
// never meet, because a pod under two budgets cannot be evicted at all. They
// count pods, not parts of the StatefulSet: maxUnavailable would count all of
// its pods for either role. AlwaysAllow, because a pod that is not Ready
// protects nobody and must not block a drain.
//
// In a Cluster a budget lets go one pod of its shard, whatever its role: the
// role moves between the shard's pods alone, and the servers elect another
// primary where the operator does not.
//
// Sentinels have one of their own.
func budgets(v *v1alpha1.Valkey, shards []shard, sentinels *appsv1.StatefulSet) []*policyv1.PodDisruptionBudget {
	if !v.Spec.PodDisruptionBudget.IsEnabled() || v.Spec.Topology == v1alpha1.TopologyStandalone {
		return nil
	}
	if !v.Spec.IsCluster() {
		out := []*policyv1.PodDisruptionBudget{
			budget(meta(v, v.PrimaryServiceName()), withRole(v, v1alpha1.RolePrimary), 1),
			budget(meta(v, v.ReplicasServiceName()), withRole(v, v1alpha1.RoleReplica), v.Spec.ReplicaCount()-1),
		}
		if v.Spec.IsSentinel() {
			out = append(out, budget(sentinelMeta(v, v.SentinelName()), v.SentinelSelector(), votesNeeded(v, sentinels)))
		}
		return out
	}
	var out []*policyv1.PodDisruptionBudget
	for _, s := range shards {
		out = append(out, budget(s.meta(v, s.name), s.selector(v), v.Spec.ReplicaCount()))
	}
	return out
}

// votesNeeded is how many Sentinels a failover needs: the quorum, and the majority
// of all that there are. While they become fewer, those that leave still count.
func votesNeeded(v *v1alpha1.Valkey, existing *appsv1.StatefulSet) int32 {
	all := v.Spec.SentinelCount()
	if existing != nil {
		all = max(all, ptr.Deref(existing.Spec.Replicas, 1))
	}
	return max(v.Spec.Sentinel.QuorumOrDefault(), all/2+1)
}

func withRole(v *v1alpha1.Valkey, role v1alpha1.NodeRole) map[string]string {
	selector := v.PodSelector()
	selector[v1alpha1.RoleLabel] = string(role)
	return selector
}

func budget(meta metav1.ObjectMeta, selector map[string]string, minAvailable int32) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: meta,
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable:               ptr.To(intstr.FromInt32(minAvailable)),
			Selector:                   &metav1.LabelSelector{MatchLabels: selector},
			UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
		},
	}
}
