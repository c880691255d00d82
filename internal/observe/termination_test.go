package observe

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/internal/model"
)

func hostThatSays(status corev1.ConditionStatus, message string, since time.Time) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-a"}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Message: shuttingDown},
		{Type: corev1.NodeReady, Status: status, Reason: "KubeletNotReady", Message: message, LastHeartbeatTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(since)},
	}}}
}

// The words are the kubelet's own.
func TestAHostSaysThatItShutsDownByTheMessageOfItsReadyCondition(t *testing.T) {
	began := now.Add(-3 * time.Second)
	for name, row := range map[string]struct {
		host *corev1.Node
		want time.Time
	}{
		"it is ready":              {hostThatSays(corev1.ConditionTrue, "kubelet is posting ready status", began), time.Time{}},
		"it shuts down":            {hostThatSays(corev1.ConditionFalse, "node is shutting down", began), began},
		"and more is wrong":        {hostThatSays(corev1.ConditionFalse, "[container runtime is down, node is shutting down]", began), began},
		"it is not ready":          {hostThatSays(corev1.ConditionFalse, "container runtime is down", began), time.Time{}},
		"Kubernetes has lost it":   {hostThatSays(corev1.ConditionUnknown, "Kubelet stopped posting node status.", began), time.Time{}},
		"it has not said a thing":  {&corev1.Node{}, time.Time{}},
		"it is ready all the same": {hostThatSays(corev1.ConditionTrue, "node is shutting down", began), time.Time{}},
	} {
		if got := DepartureOf(row.host); !got.ShutDown.Equal(row.want) || got.Why != "" {
			t.Errorf("%s: %+v, want %s", name, got, row.want)
		}
	}
}

// A kubelet that shuts its host down deletes no pod: it ends them.
func TestPodsOfAHostThatShutsDownAreOnTheirWayOut(t *testing.T) {
	v := ring()
	for name, row := range map[string]struct {
		host  string
		began time.Duration
		phase model.PodPhase
		since time.Duration
	}{
		"their host shuts down":                     {"host-a", 3 * time.Second, model.PodTerminating, 3 * time.Second},
		"by a clock that is ahead of ours":          {"host-a", -time.Second, model.PodTerminating, 0},
		"another host does":                         {"host-b", 3 * time.Second, model.PodRunning, 0},
		"it was not ready for long, and shuts down": {"host-a", time.Hour, model.PodTerminating, time.Hour},
	} {
		pod := shardPod(v, 0, 0)
		pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "10.0.0.7"
		o := Observer{Zones: NewZones(fake.NewClientBuilder().Build()), Evacuations: NewEvacuations(), Now: func() time.Time { return now }}
		o.Evacuations.Note(row.host, Departure{ShutDown: now.Add(-row.began)})
		n := o.shard(t.Context(), v, 0, shardSet(v, 0, 1), []corev1.Pod{*pod}, nil).Nodes[0]
		if n.Phase != row.phase || n.TerminatingFor != row.since || n.Evacuate != "" {
			t.Errorf("%s: phase %v for %s, to be left because %q", name, n.Phase, n.TerminatingFor, n.Evacuate)
		}
	}
}
