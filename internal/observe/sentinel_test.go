package observe

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kube "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
)

// guarded is an instance with Sentinels.
func guarded() *v1alpha1.Valkey {
	v := cart()
	v.Spec.Topology = v1alpha1.TopologySentinel
	return v
}

func sentinelSet(owner *v1alpha1.Valkey, size int32, image string) *appsv1.StatefulSet {
	out := set(owner, 2, 2)
	out.Name, out.Spec.Replicas, out.Status.UpdateRevision = "cart-sentinel", ptr.To(size), "s-new"
	out.Spec.Template.Spec.Containers = []corev1.Container{{Name: "sentinel", Image: image}}
	return out
}

// sentinelPod runs the revision s-new, in a container of that state.
func sentinelPod(v *v1alpha1.Valkey, ordinal int, state corev1.ContainerState) *corev1.Pod {
	name := fmt.Sprintf("cart-sentinel-%d", ordinal)
	labels := v.SentinelSelector()
	labels[appsv1.ControllerRevisionHashLabelKey] = "s-new"
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: labels},
		Spec: corev1.PodSpec{NodeName: "host-a"}, Status: corev1.PodStatus{Phase: corev1.PodPending,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "sentinel", State: state}}}}
}

func lookAtSentinels(t *testing.T, v *v1alpha1.Valkey, objects ...client.Object) model.SentinelSet {
	t.Helper()
	c := kube.NewClientBuilder().WithObjects(objects...).Build()
	o := Observer{Reader: c, Servers: servers.NewPool(), Calm: calm{}, Zones: NewZones(c), Now: func() time.Time { return now }}
	snap, err := o.Look(t.Context(), v, servers.Credentials{}, Applied{"cart-sentinel": 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(snap.Shards) != 1 || len(snap.Shards[0].Nodes) != 0 {
		t.Fatalf("Sentinels among the servers: %+v", snap.Shards)
	}
	return snap.Sentinels
}

func TestSentinelsAreWhatKubernetesAndTheSpecSay(t *testing.T) {
	v := guarded()
	v.Spec.Sentinel.Replicas, v.Spec.Sentinel.Quorum = ptr.To[int32](5), ptr.To[int32](4)
	v.Spec.Sentinel.DownAfter = &metav1.Duration{Duration: 3 * time.Second}
	stuck := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}
	want := model.SentinelSet{Name: "cart-sentinel", Exists: true, Revision: "s-new", Size: 1, Wanted: 5, Version: "9.1",
		Settings: model.WatchSettings{Quorum: 4, DownAfter: 3 * time.Second, FailoverTimeout: 10 * time.Second},
		Nodes: []model.SentinelNode{
			{Ref: model.Ref{Name: "cart-sentinel-0"}},
			{Ref: model.Ref{Name: "cart-sentinel-2", UID: "uid-cart-sentinel-2"}, Ordinal: 2, Host: "host-a", Phase: model.PodPending,
				Revision: "s-new", Dead: true, Trouble: "ImagePullBackOff: no such image"},
		}}
	have := lookAtSentinels(t, v, sentinelSet(v, 1, "valkey:9.1"), sentinelPod(v, 2, stuck))
	if !reflect.DeepEqual(have, want) {
		t.Errorf("\nhave %+v\nwant %+v", have, want)
	}
}

func TestASentinelIsNotTakenForDeadWhileItsContainerRuns(t *testing.T) {
	v := guarded()
	for name, row := range map[string]struct {
		state corev1.ContainerState
		dead  bool
	}{
		"it runs":                   {corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, false},
		"it has ended":              {corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}, true},
		"nothing is known of it":    {corev1.ContainerState{}, false},
		"another one is in its pod": {corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, false},
	} {
		pod := sentinelPod(v, 0, row.state)
		if name == "another one is in its pod" {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: "valkey",
				State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}})
		}
		if n := lookAtSentinels(t, v, sentinelSet(v, 1, ""), pod).Nodes[0]; n.Dead != row.dead || (n.Trouble != "") != row.dead {
			t.Errorf("%s: %+v", name, n)
		}
	}
}
