package observe

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// disrupted is the condition by which Kubernetes says that it is about to end a pod:
// an eviction and a preemption just before they delete it, and a kubelet that shuts its
// host down without deleting anything. One that came to nothing is lifted by Kubernetes
// after two minutes.
func disrupted(pod *corev1.Pod) *corev1.PodCondition {
	for i, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// terminatingFor is how long a pod has been on its way out: its deletion timestamp is
// when its time will be over. It is by two clocks; a beginning in the future is now.
func terminatingFor(pod *corev1.Pod, now time.Time) time.Duration {
	var since time.Time
	switch c := disrupted(pod); {
	case pod.DeletionTimestamp != nil:
		grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second
		since = pod.DeletionTimestamp.Add(-grace)
	case c != nil:
		since = c.LastTransitionTime.Time
	default:
		return 0
	}
	return max(0, now.Sub(since))
}
