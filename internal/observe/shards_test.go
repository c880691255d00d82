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
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
)

// ring is a cluster of three shards.
func ring() *v1alpha1.Valkey {
	return &v1alpha1.Valkey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "ring", UID: "ring-uid"},
		Spec:       v1alpha1.ValkeySpec{Topology: v1alpha1.TopologyCluster},
		Status: v1alpha1.ValkeyStatus{Formed: true, Shards: []v1alpha1.ShardStatus{
			{Name: "ring-shard-1", Formed: true, LastPrimary: "ring-shard-1-0", History: []string{"h"}, SlotRanges: "5462-10922",
				HandoverFailure: &v1alpha1.HandoverFailure{Time: metav1.NewMicroTime(now.Add(-3 * time.Second)), Count: 2, Message: "why"}},
		}},
	}
}

func shardSet(v *v1alpha1.Valkey, k int, size int32) *appsv1.StatefulSet {
	m := meta(v.ShardName(k), v)
	m.Generation = 2
	return &appsv1.StatefulSet{ObjectMeta: m, Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(size)},
		Status: appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdateRevision: fmt.Sprintf("rev-%d", k)}}
}

func shardPod(v *v1alpha1.Valkey, k, i int) *corev1.Pod {
	name := fmt.Sprintf("%s-%d", v.ShardName(k), i)
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), Labels: v.PodSelector()},
		Status: corev1.PodStatus{Phase: corev1.PodPending}, Spec: corev1.PodSpec{NodeName: "host-a"}}
}

func lookAtRing(t *testing.T, v *v1alpha1.Valkey, applied Applied, objects ...client.Object) model.Snapshot {
	t.Helper()
	c := fake.NewClientBuilder().WithObjects(objects...).Build()
	o := Observer{Reader: c, Servers: servers.NewPool(), Calm: calm{}, Zones: NewZones(c), LostHosts: NewLostHosts(c), Now: func() time.Time { return now }}
	snap, err := o.Look(t.Context(), v, servers.Credentials{}, applied)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func TestAShardThatStillHadSlotsIsNotForgottenWithItsStatefulSet(t *testing.T) {
	v := ring()
	v.Status.Shards = append(v.Status.Shards, v1alpha1.ShardStatus{Name: "ring-shard-3", SlotRanges: "7"}, v1alpha1.ShardStatus{Name: "ring-shard-4"})
	snap := lookAtRing(t, v, nil)
	if len(snap.Shards) != 4 || !snap.Shards[3].Leaving || snap.Shards[3].Exists || snap.Shards[3].Memory.Slots.Count() != 1 {
		t.Errorf("%+v", snap.Shards)
	}
}

func TestEachShardIsWhatItsStatefulSetItsPodsAndItsStatusSay(t *testing.T) {
	v := ring()
	snap := lookAtRing(t, v, Applied{"ring-shard-1": 2, "ring-shard-0": 3},
		shardSet(v, 0, 2), shardSet(v, 1, 2), shardPod(v, 1, 1), shardPod(v, 1, 2), shardPod(v, 0, 0))
	if !snap.Formed || snap.Policy.Shards != 3 || snap.Policy.ParallelShards != 1 || snap.Policy.Nodes != 2 || len(snap.Shards) != 3 {
		t.Fatalf("%+v", snap)
	}
	if s := snap.Shards[0]; s.Revision != "" || s.Size != 2 || len(s.Nodes) != 2 || s.Nodes[0].UID == "" || s.Memory.Formed {
		t.Errorf("the cache has not seen the newest template of shard 0 yet: %+v", s)
	}
	want := model.Shard{Name: "ring-shard-1", Index: 1, Exists: true, Revision: "rev-1", Size: 2,
		Nodes: []model.Node{
			{Ordinal: 0, Ref: model.Ref{Name: "ring-shard-1-0"}},
			{Ordinal: 1, Ref: model.Ref{Name: "ring-shard-1-1", UID: "ring-shard-1-1"}, Host: "host-a", Phase: model.PodPending, HostLost: true},
			{Ordinal: 2, Ref: model.Ref{Name: "ring-shard-1-2", UID: "ring-shard-1-2"}, Host: "host-a", Phase: model.PodPending, HostLost: true},
		},
		Memory:  model.Memory{Formed: true, Primary: "ring-shard-1-0", History: []string{"h"}, Slots: model.EvenShare(1, 3)},
		Attempt: model.Attempt{Failures: 2, Since: 3 * time.Second, Error: "why"},
	}
	if have := snap.Shards[1]; !reflect.DeepEqual(have, want) {
		t.Errorf("\nhave %+v\nwant %+v", have, want)
	}
	if s := snap.Shards[2]; s.Exists || s.Name != "ring-shard-2" || len(s.Nodes) != 0 || s.Leaving {
		t.Errorf("%+v", s)
	}
}

func TestAShardThatIsNotWishedForAnyMoreIsSeenForAsLongAsAnythingOfItIsLeft(t *testing.T) {
	v, other := ring(), ring()
	other.UID = "another"
	for name, row := range map[string]struct {
		objects []client.Object
		want    int
	}{
		"its StatefulSet":               {[]client.Object{shardSet(v, 4, 0)}, 5},
		"a pod":                         {[]client.Object{shardPod(v, 3, 0)}, 4},
		"somebody else's StatefulSet":   {[]client.Object{shardSet(other, 4, 0)}, 3},
		"nothing":                       {nil, 3},
		"a pod that counts like no pod": {[]client.Object{shardPod(v, 5000, 0)}, 3},
	} {
		snap := lookAtRing(t, v, nil, row.objects...)
		if len(snap.Shards) != row.want {
			t.Errorf("%s: %d shards", name, len(snap.Shards))
		}
		for k, s := range snap.Shards {
			if s.Index != k || s.Leaving != (k >= 3) {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}
