package observe

import (
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/valkeeper/valkeeper/internal/model"
)

// now is the moment of all tests.
var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// podOf is a pod as kubectl shows it.
func podOf(t *testing.T, text string) corev1.Pod {
	t.Helper()
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "cart-0", UID: "uid-0"}}
	if err := yaml.UnmarshalStrict([]byte(text), &pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

const running = `
spec: {nodeName: host-a, containers: []}
status:
  phase: Running
  podIP: 10.0.0.7
  containerStatuses: [{name: valkey, state: {running: {}}}]
`

func TestAPodIsWhatKubernetesSaysOfIt(t *testing.T) {
	for name, row := range map[string]struct {
		pod  string
		want model.Node
	}{
		"in service as primary": {`
metadata:
  name: cart-0
  uid: uid-0
  labels: {controller-revision-hash: cart-1, valkeeper.io/role: primary}
spec: {nodeName: host-a, containers: []}
status:
  phase: Running
  podIP: 10.0.0.7
  containerStatuses: [{name: valkey, state: {running: {}}}]
  conditions: [{type: Ready, status: "True"}, {type: valkeeper.io/in-service, status: "True"}]`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning, Ready: true,
				InService: true, Admitted: true, Revision: "cart-1", RoleLabel: model.RolePrimary}},
		"taken out of service": {`
spec: {nodeName: host-a, containers: []}
status:
  phase: Running
  podIP: 10.0.0.7
  conditions: [{type: Ready, status: "False"}, {type: valkeeper.io/in-service, status: "False"}]`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning, Admitted: true}},
		"up, and never in service": {running,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning}},
		"on its way out, still serving": {`
metadata: {name: cart-0, uid: uid-0, deletionTimestamp: "2026-05-01T12:00:25Z", deletionGracePeriodSeconds: 30}` + running,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodTerminating, TerminatingFor: 5 * time.Second}},
		"on its way out since just now, by a clock that is ahead of ours": {`
metadata: {name: cart-0, uid: uid-0, deletionTimestamp: "2026-05-01T12:00:31Z", deletionGracePeriodSeconds: 30}` + running,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodTerminating}},
		"about to be evicted": {disrupting("Running", "True"),
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodTerminating, TerminatingFor: 3 * time.Second}},
		"not evicted after all": {disrupting("Running", "False"),
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning}},
		"ended by its host": {disrupting("Failed", "True"),
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodPending, Dead: true, TerminatingFor: 3 * time.Second}},
		"asked to give its role away": {`
metadata: {name: cart-0, uid: uid-0, annotations: {valkeeper.io/evacuate: ""}}` + running,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning,
				Evacuate: "its pod has the annotation valkeeper.io/evacuate"}},
		"asked to keep its role": {`
metadata: {name: cart-0, uid: uid-0, annotations: {valkeeper.io/evacuate: "false"}}` + running,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning}},
		"cannot be scheduled": {`
spec: {containers: []}
status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", message: "0/3 nodes are available"}]}`,
			model.Node{Ref: ref(""), Phase: model.PodPending, Dead: true, CannotStart: true,
				Trouble: "it cannot be scheduled: 0/3 nodes are available"}},
		"has a host, and its host has said nothing yet": {`
spec: {nodeName: host-a, containers: []}
status: {phase: Pending}`,
			model.Node{Ref: ref(""), Host: "host-a", Phase: model.PodPending}},
		"its image is being fetched": {`
spec: {nodeName: host-a, containers: []}
status: {phase: Pending, containerStatuses: [{name: valkey, state: {waiting: {reason: ContainerCreating}}}]}`,
			model.Node{Ref: ref(""), Host: "host-a", Phase: model.PodPending, Dead: true}},
		"its image does not exist": {`
spec: {nodeName: host-a, containers: []}
status: {phase: Pending, podIP: 10.0.0.7, containerStatuses: [{name: valkey, state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image "valkey:9.9"'}}}]}`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodPending, Dead: true, CannotStart: true,
				Trouble: `ImagePullBackOff: Back-off pulling image "valkey:9.9"`}},
		"its server refuses its settings, again and again": {`
spec: {nodeName: host-a, containers: []}
status:
  phase: Running
  podIP: 10.0.0.7
  containerStatuses:
  - name: valkey
    state: {waiting: {reason: CrashLoopBackOff, message: back-off 40s}}
    lastState: {terminated: {exitCode: 1, message: "*** FATAL CONFIG FILE ERROR ***\nBad directive\n"}}`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning, Dead: true, CannotStart: true,
				Trouble: "CrashLoopBackOff: its server ended with code 1: *** FATAL CONFIG FILE ERROR *** | Bad directive"}},
		"its server has just been killed": {`
spec: {nodeName: host-a, containers: []}
status: {phase: Running, podIP: 10.0.0.7, containerStatuses: [{name: valkey, state: {terminated: {exitCode: 137}}}]}`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning, Dead: true,
				Trouble: "its server ended with code 137"}},
		"its server runs again after a crash": {`
spec: {nodeName: host-a, containers: []}
status:
  phase: Running
  podIP: 10.0.0.7
  containerStatuses: [{name: valkey, state: {running: {}}, lastState: {terminated: {exitCode: 137}}}]`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning}},
		"another container of the pod has ended": {`
spec: {nodeName: host-a, containers: []}
status:
  phase: Running
  podIP: 10.0.0.7
  containerStatuses: [{name: sidecar, state: {terminated: {exitCode: 1}}}, {name: valkey, state: {running: {}}}]`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning}},
		"evicted by its host": {`
spec: {nodeName: host-a, containers: []}
status: {phase: Failed, podIP: 10.0.0.7, reason: Evicted}`,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodPending, Dead: true}},
		"being drained": {`
metadata: {name: cart-0, uid: uid-0, annotations: {valkeeper.io/draining-since: "2026-05-01T11:59:57.5Z"}}` + running,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning,
				Draining: true, DrainingFor: 2500 * time.Millisecond}},
		"with a drain mark that cannot be read": {`
metadata: {name: cart-0, uid: uid-0, annotations: {valkeeper.io/draining-since: "yesterday"}}` + running,
			model.Node{Ref: ref("10.0.0.7:6379"), Host: "host-a", Phase: model.PodRunning}},
	} {
		pod := podOf(t, row.pod)
		if have := node(0, &pod, now); !reflect.DeepEqual(have, row.want) {
			t.Errorf("%s:\nhave %+v\nwant %+v", name, have, row.want)
		}
	}
}

// disrupting is a pod that Kubernetes says it is about to end.
func disrupting(phase, status string) string {
	return `
spec: {nodeName: host-a, containers: []}
status:
  phase: ` + phase + `
  podIP: 10.0.0.7
  conditions: [{type: DisruptionTarget, status: "` + status + `", lastTransitionTime: "2026-05-01T11:59:57Z"}]`
}

func ref(address string) model.Ref { return model.Ref{Name: "cart-0", UID: "uid-0", Address: address} }

func TestEveryOrdinalHasANodeAndSoHasEveryPodBeyond(t *testing.T) {
	var pods []corev1.Pod
	for _, name := range []string{"cart-10", "cart-2", "cart-4", "cart-0", "cart-01", "cart-debug", "cart", "cart-eu-1", "cart--1"} {
		pod := podOf(t, running)
		pod.Name = name
		pods = append(pods, pod)
	}
	var have []string
	for _, n := range nodes("cart", 3, pods, now) {
		if n.Phase == model.PodAbsent {
			n.Name += " absent"
		}
		have = append(have, n.Name)
	}
	want := []string{"cart-0", "cart-1 absent", "cart-2", "cart-4", "cart-10"}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("have %v, want %v", have, want)
	}
}
