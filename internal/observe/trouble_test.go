package observe

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

func crashed(log string) *corev1.Pod {
	return &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name:  v1alpha1.ContainerName,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s"}},
		LastTerminationState: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: log}},
	}}}}
}

func TestTheTroubleOfAPodIsTheLastThingItsServerSaid(t *testing.T) {
	log := "1:C 23 Nov 2026 21:06:41.600 * oO0OoO0OoO0Oo Valkey is starting\n" +
		"1:M 23 Nov 2026 21:06:41.701 * Running mode=standalone, port=6379.\n" +
		"1:M 23 Nov 2026 21:06:41.702 # Something is wrong\n" +
		"1:M 23 Nov 2026 21:06:41.702 # Exiting.\n\n"
	got := trouble(crashed(log))
	want := "CrashLoopBackOff: its server ended with code 1: oO0OoO0OoO0Oo Valkey is starting | Running mode=standalone, port=6379. | Something is wrong | Exiting."
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestADumpOfANewerServerIsNamedAsSuch(t *testing.T) {
	got := trouble(crashed("1:S 23 Nov 2026 21:06:41.702 # Can't handle RDB format version 80\n" +
		"1:S 23 Nov 2026 21:06:41.702 # Fatal error loading the DB, check server logs. Exiting.\n"))
	for _, want := range []string{"dump of a newer version", "change the version back", "RDB format version 80"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
}

func TestALongLogIsCutAtItsBeginning(t *testing.T) {
	got := lastLines(strings.Repeat("é", 2*troubleLength) + "the cause")
	if !strings.HasSuffix(got, "the cause") || len(got) > troubleLength+10 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestAPodThatRunsHasNoTrouble(t *testing.T) {
	pod := crashed("")
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	if got := trouble(pod); got != "" {
		t.Errorf("got %q", got)
	}
}

// A rollout takes the chance to restart what does not come up, and must not take a crash for
// that: the server comes back by itself.
func TestAServerThatHasCrashedOnceStartsAgain(t *testing.T) {
	ran := func(seconds int64) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{StartedAt: metav1.Unix(1000, 0), FinishedAt: metav1.Unix(1000+seconds, 0)}
	}
	waits := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	for name, c := range map[string]struct {
		state corev1.ContainerState
		last  *corev1.ContainerStateTerminated
		want  bool
	}{
		"it runs":                          {corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, ran(1), false},
		"it has just ended":                {corev1.ContainerState{Terminated: ran(1)}, nil, false},
		"it is made":                       {waits("ContainerCreating", ""), nil, false},
		"its image cannot be pulled":       {waits("ErrImagePull", "not found"), nil, true},
		"it is killed a second time":       {waits("CrashLoopBackOff", "back-off 10s restarting failed container=valkey"), ran(30), false},
		"it ends soon after each start":    {waits("CrashLoopBackOff", "back-off 10s restarting failed container=valkey"), ran(2), true},
		"it dies of its load, each time":   {waits("CrashLoopBackOff", "back-off 40s restarting failed container=valkey"), ran(60), true},
		"it has done so for long":          {waits("CrashLoopBackOff", "back-off 2m40s restarting failed container=valkey"), ran(60), true},
		"nobody says how long it waits":    {waits("CrashLoopBackOff", ""), nil, true},
		"nobody says it in words we know":  {waits("CrashLoopBackOff", "back-off forever restarting failed container"), ran(60), true},
		"its settings cannot be assembled": {waits("CreateContainerConfigError", "secret not found"), nil, true},
	} {
		pod := crashed("")
		pod.Status.ContainerStatuses[0].State, pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = c.state, c.last
		if got := cannotStart(pod, time.Unix(2000, 0)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A Secret that its template mounts is gone, or its volume does not come.
func TestAContainerThatIsPreparedForTooLongDoesNotStart(t *testing.T) {
	for after, want := range map[time.Duration]bool{time.Minute: false, 6 * time.Minute: true} {
		pod := crashed("")
		pod.Status.ContainerStatuses[0].State.Waiting.Reason = "ContainerCreating"
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Unix(1000, 0)}}
		if got := cannotStart(pod, time.Unix(1000, 0).Add(after)); got != want {
			t.Errorf("after %v: %t", after, got)
		}
	}
}
