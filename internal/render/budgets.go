package render

import (
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
func budgets(v *v1alpha1.Valkey) (primary, replicas *policyv1.PodDisruptionBudget) {
	return budget(v, v.PrimaryServiceName(), v1alpha1.RolePrimary, 1),
		budget(v, v.ReplicasServiceName(), v1alpha1.RoleReplica, v.Spec.ReplicaCount()-1)
}

func budget(v *v1alpha1.Valkey, name string, role v1alpha1.NodeRole, minAvailable int32) *policyv1.PodDisruptionBudget {
	selector := v.PodSelector()
	selector[v1alpha1.RoleLabel] = string(role)
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: meta(v, name),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable:               ptr.To(intstr.FromInt32(minAvailable)),
			Selector:                   &metav1.LabelSelector{MatchLabels: selector},
			UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
		},
	}
}
