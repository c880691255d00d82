package observe

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/internal/model"
)

// disrupted is the condition by which Kubernetes says that it is about to end a pod:
// an eviction and a preemption just before they delete it. One that came to nothing is
// lifted by Kubernetes after two minutes. (A kubelet that shuts its host down, or evicts by
// itself, says it only when all containers have ended: mergePodStatus in its
// status_manager.go, Kubernetes 1.37.)
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

// shuttingDown is what a kubelet gives as the reason why its host is not ready, alone or
// among others, from the moment at which that begins to shut down (ShutdownStatus in its
// nodeshutdown_manager_linux.go, Kubernetes 1.37). It ends the pods in the same moment, and
// deletes none of them.
const shuttingDown = "node is shutting down"

// ShutdownOf is the one condition of a host that anything is read from, and nothing of it
// besides.
func ShutdownOf(host *corev1.Node) []corev1.NodeCondition {
	for _, c := range host.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionFalse && strings.Contains(c.Message, shuttingDown) {
			return []corev1.NodeCondition{{Type: c.Type, Status: c.Status, Message: shuttingDown, LastTransitionTime: c.LastTransitionTime}}
		}
	}
	return nil
}

// shutDown is when a host began to shut down, by its own clock; zero when it does not. One
// that was not ready before seems to have begun then: its pods are left to themselves.
func shutDown(host *corev1.Node) time.Time {
	for _, c := range ShutdownOf(host) {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// endWithHost makes a pod one on its way out when its host shuts down.
func endWithHost(n *model.Node, since, now time.Time) {
	if !since.IsZero() && n.Phase == model.PodRunning {
		n.Phase, n.TerminatingFor = model.PodTerminating, max(0, now.Sub(since))
	}
}
