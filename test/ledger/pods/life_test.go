package pods

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

func pod(name, uid string, change ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{}
	p.Name, p.UID, p.CreationTimestamp = name, types.UID(uid), metav1.NewTime(zero)
	p.Spec.Containers = []corev1.Container{{Image: "valkey:8.1"}}
	for _, c := range change {
		c(&p)
	}
	return p
}

func deleted(request time.Time, grace int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		stamp := metav1.NewTime(request.Truncate(time.Second).Add(time.Duration(grace) * time.Second))
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &stamp, &grace
	}
}

func ready(since time.Time) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(since.Truncate(time.Second)),
		}}
	}
}

func restarted(n int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: n}} }
}

func TestAReplacementIsFollowedFromDeletionToSynced(t *testing.T) {
	tr := NewTracker()
	old := pod("p-0", "1", ready(at(-5000)))
	tr.SeeList([]corev1.Pod{old}, at(0))
	old = pod("p-0", "1", ready(at(-5000)), deleted(at(1234), 30))
	tr.See(&old, at(1240))
	tr.SeeGone("1", at(1900))
	next := pod("p-0", "2", func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(at(1950).Truncate(time.Second)) })
	tr.See(&next, at(1950))
	next = pod("p-0", "2", ready(at(3700)))
	tr.See(&next, at(3710))
	tr.SeeSynced("2", at(3800))
	tr.SeeSynced("2", at(9999))
	var kinds []string
	for _, e := range tr.Events() {
		kinds = append(kinds, e.Kind+" "+e.At.Sub(zero).String())
	}
	want := []string{"deletion 1.24s", "gone 1.9s", "created 1.95s", "ready 3.71s", "synced 3.8s"}
	if len(kinds) != len(want) {
		t.Fatalf("events %v, want %v", kinds, want)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Errorf("event %d is %s, want %s", i, kinds[i], want[i])
		}
	}
}

func TestAChangeSeenLateTakesThePodsOwnTime(t *testing.T) {
	tr := NewTracker()
	tr.SeeList([]corev1.Pod{pod("p-0", "1")}, at(0))
	late := pod("p-0", "1", deleted(at(2000), 30))
	tr.See(&late, at(20000)) // the watch had broken off
	if got := tr.Lives()[0].Deletion; !got.Equal(at(2000).Truncate(time.Second)) {
		t.Errorf("deletion at %s, want the pod's own time", got.Sub(zero))
	}
}

func TestAPodKnowsItsStatefulSetAsLongAsItIsRemembered(t *testing.T) {
	tr := NewTracker()
	member := func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "orders-shard-0", Controller: ptr.To(true)}}
	}
	tr.SeeList([]corev1.Pod{pod("orders-shard-0-1", "1", member), pod("alone", "2")}, at(0))
	tr.SeeGone("1", at(100))
	if set := tr.SetOf("orders-shard-0-1"); set != "orders-shard-0" {
		t.Errorf("its set is %q", set)
	}
	if set := tr.SetOf("alone") + tr.SetOf("unknown"); set != "" {
		t.Errorf("a pod of none belongs to %q", set)
	}
}

func TestAPodMissingFromTheNextListIsGone(t *testing.T) {
	tr := NewTracker()
	tr.SeeList([]corev1.Pod{pod("p-0", "1"), pod("p-1", "2")}, at(0))
	tr.SeeList([]corev1.Pod{pod("p-1", "2"), pod("p-0", "3")}, at(5000))
	var gone []string
	for _, l := range tr.Lives() {
		if !l.Gone.IsZero() {
			gone = append(gone, l.UID)
		}
	}
	if len(gone) != 1 || gone[0] != "1" {
		t.Errorf("gone %v, want pod 1 only", gone)
	}
}

func TestAContainerThatRestartsIsAnEventAndNoReplacement(t *testing.T) {
	tr := NewTracker()
	tr.SeeList([]corev1.Pod{pod("p-0", "1", restarted(3))}, at(0))
	again := pod("p-0", "1", restarted(4))
	tr.See(&again, at(100))
	tr.See(&again, at(200))
	if e := tr.Events(); len(e) != 1 || e[0].Kind != "restart" {
		t.Errorf("events %v, want one restart", e)
	}
	if rolls := Rolls(tr.Lives(), nil, at(1000)); len(rolls) != 0 {
		t.Errorf("rolls %+v, want none", rolls)
	}
}

func TestFollowsNeedsTheSameHistoryAndThePrimarysOffset(t *testing.T) {
	primary := []*seat{{fields: map[string]string{"role": "master", "master_replid": "h", "master_repl_offset": "100"}}}
	good := map[string]string{
		"role": "slave", "master_link_status": "up", "master_sync_in_progress": "0", "master_replid": "h", "slave_repl_offset": "100",
	}
	if !follows(good, primary) {
		t.Fatal("a replica in sync was not taken for one")
	}
	if follows(good, nil) {
		t.Error("followed nobody")
	}
	for field, value := range map[string]string{
		"role": "master", "master_link_status": "down", "master_sync_in_progress": "1", "master_replid": "other", "slave_repl_offset": "99",
	} {
		bad := map[string]string{}
		for k, v := range good {
			bad[k] = v
		}
		bad[field] = value
		if follows(bad, primary) {
			t.Errorf("%s=%s: taken for in sync", field, value)
		}
	}
}

func TestAPodWhoseServerDoesNotAnswerStaysUnsynced(t *testing.T) {
	tr := NewTracker()
	tr.SeeList(nil, at(0))
	mute := pod("p-0", "1", func(p *corev1.Pod) { p.Status.PodIP = "127.0.0.1" })
	tr.See(&mute, at(1))
	p := &Prober{Tracker: tr, Port: 1, Acknowledging: func(string) bool { return false }, seats: map[string]*seat{}}
	if !p.round(context.Background()) || !tr.Lives()[0].Synced.IsZero() {
		t.Error("a server that does not answer counted as synced")
	}
}
