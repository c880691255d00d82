package render

import (
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// budgets protect the primary always, and all replicas but one: in a Cluster those of
// each shard. Their labels never meet, because a pod under two budgets cannot be evicted
// at all. They count pods, not parts of the StatefulSet: maxUnavailable would count all of
// its pods for either role. AlwaysAllow, because a pod that is not Ready protects nobody
// and must not block a drain.
//
// So whoever drains a host can send replicas away, and has to wait with a primary until
// its role has moved (plan/evacuate.go). A Standalone moves its role to a surge; where none
// comes (Never, RollingUpdate) it has no budget, which would block every drain for ever. It
// keeps the one that it has until a surge that is there already has left.
//
// Sentinels have one of their own.
func budgets(v *v1alpha1.Valkey, shards []shard, existing map[string]*appsv1.StatefulSet) []*policyv1.PodDisruptionBudget {
	switch {
	case !v.Spec.PodDisruptionBudget.IsEnabled():
		return nil
	case v.Spec.Topology == v1alpha1.TopologyStandalone:
		if !surges(v) && asked(existing[v.Name]) <= 1 {
			return nil
		}
		return []*policyv1.PodDisruptionBudget{budget(meta(v, v.PrimaryServiceName()), withRole(v.PodSelector(), v1alpha1.RolePrimary), 1)}
	}
	var out []*policyv1.PodDisruptionBudget
	for _, s := range shards {
		primary, replicas := budgetNames(v, s.name)
		out = append(out,
			budget(s.meta(v, primary), withRole(s.selector(v), v1alpha1.RolePrimary), 1),
			budget(s.meta(v, replicas), withRole(s.selector(v), v1alpha1.RoleReplica), v.Spec.ReplicaCount()-1))
	}
	if v.Spec.IsSentinel() {
		out = append(out, budget(sentinelMeta(v, v.SentinelName()), v.SentinelSelector(), votesNeeded(v, existing[v.SentinelName()])))
	}
	return out
}

// surges says that a lone server may be given a second one to hand over to.
func surges(v *v1alpha1.Valkey) bool {
	r := &v.Spec.Rollout
	return r.SurgeOrDefault() != v1alpha1.SurgeNever && r.StrategyOrDefault() != v1alpha1.StrategyRollingUpdate
}

// asked is how many pods a StatefulSet is asked for; none if it does not exist.
func asked(set *appsv1.StatefulSet) int32 {
	if set == nil {
		return 0
	}
	return ptr.Deref(set.Spec.Replicas, 1)
}

// budgetNames are those of a shard's primary and of its replicas: as the Services to
// them are called, or would be.
func budgetNames(v *v1alpha1.Valkey, shard string) (primary, replicas string) {
	if !v.Spec.IsCluster() {
		return v.PrimaryServiceName(), v.ReplicasServiceName()
	}
	return ShardBudgets(shard)
}

// ShardBudgets are the names of the two budgets of a Cluster's shard.
func ShardBudgets(shard string) (primary, replicas string) { return shard + "-primary", shard }

// votesNeeded is how many Sentinels a failover needs: the quorum, and the majority
// of all that there are. While they become fewer, those that leave still count.
func votesNeeded(v *v1alpha1.Valkey, existing *appsv1.StatefulSet) int32 {
	all := max(v.Spec.SentinelCount(), asked(existing))
	return max(v.Spec.Sentinel.QuorumOrDefault(), all/2+1)
}

// withRole narrows a selector, which it changes, to one role.
func withRole(selector map[string]string, role v1alpha1.NodeRole) map[string]string {
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
