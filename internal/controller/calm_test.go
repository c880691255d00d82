package controller

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/internal/model"
)

// calmAt is a Calm whose clock the test moves. kube-proxy has been at rest for
// a minute.
func calmAt(now *time.Time) *Calm {
	return &Calm{clock: func() time.Time { return *now }, synced: now.Add(-time.Minute), waiting: map[string]time.Time{}}
}

func TestKubeProxyCarriesOutTheFirstChangeAtOnceAndTheNextOnesTogether(t *testing.T) {
	now := time.Unix(1000, 0)
	calm := calmAt(&now)
	handler := calm.Handler()
	slice := &discoveryv1.EndpointSlice{}
	at := func(after time.Duration) { now = time.Unix(1000, 0).Add(after) }

	handler.OnAdd(slice, false)
	at(200 * time.Millisecond)
	handler.OnAdd(slice, false) // has to wait until 1.2 s
	at(1100 * time.Millisecond)
	handler.OnAdd(slice, false) // goes with it
	if got := calm.Quiet(); got != 0 {
		t.Errorf("a change still waits, yet Quiet is %s", got)
	}
	at(1900 * time.Millisecond)
	if got, want := calm.Quiet(), 700*time.Millisecond; got != want {
		t.Errorf("Quiet is %s, want %s: kube-proxy synchronised at 1.2 s, not at the last change", got, want)
	}
}

func TestSlicesOfHeadlessServicesAndResyncsAreNoChange(t *testing.T) {
	now := time.Unix(1000, 0)
	calm := calmAt(&now)
	handler := calm.Handler()
	handler.OnAdd(&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Labels: map[string]string{corev1.IsHeadlessService: ""}}}, false)
	same := &corev1.Service{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7"}}
	handler.OnUpdate(same, same.DeepCopy())
	if got := calm.Quiet(); got != time.Minute {
		t.Errorf("Quiet is %s, want a minute", got)
	}
	changed := same.DeepCopy()
	changed.ResourceVersion = "8"
	handler.OnUpdate(same, changed)
	if got := calm.Quiet(); got != 0 {
		t.Errorf("Quiet is %s after a change", got)
	}
}

func TestTheWaitForAQuietSecondCountsUntilSomethingElseHappens(t *testing.T) {
	now := time.Unix(1000, 0)
	calm := calmAt(&now)
	busy := model.Plan{Holds: []model.Hold{{Reason: model.ServicesBusy}}}
	calm.Note("ns/a", busy)
	now = now.Add(3 * time.Second)
	calm.Note("ns/a", busy)
	calm.Note("ns/a", model.Plan{Steps: map[string]model.Step{"a": model.Handover{}}})
	if got, want := calm.Waited("ns/a"), 3*time.Second; got != want {
		t.Errorf("Waited is %s, want %s", got, want)
	}
	if got := calm.Waited("ns/b"); got != 0 {
		t.Errorf("another instance has waited %s", got)
	}
	calm.Note("ns/a", model.Plan{})
	if got := calm.Waited("ns/a"); got != 0 {
		t.Errorf("Waited is %s after the wait was over", got)
	}
}
