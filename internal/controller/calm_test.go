package controller

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// calmAt is a Calm whose clock the test moves. kube-proxy has been at rest for
// a minute.
func calmAt(now *time.Time) *Calm {
	return &Calm{clock: func() time.Time { return *now }, soonest: now.Add(-time.Minute), latest: now.Add(-time.Minute), waiting: map[string]time.Time{}}
}

func TestKubeProxyCarriesOutTheFirstChangeAtOnceAndTheNextOnesTogether(t *testing.T) {
	now := time.Unix(1000, 0)
	calm := calmAt(&now)
	handler := calm.Handler()
	slice := &discoveryv1.EndpointSlice{}
	at := func(after time.Duration) { now = time.Unix(1000, 0).Add(after) }

	handler.OnAdd(slice, false)
	at(200 * time.Millisecond)
	handler.OnAdd(slice, false) // has to wait until 1 to 1.2 s
	at(900 * time.Millisecond)
	handler.OnAdd(slice, false) // goes with it
	at(1100 * time.Millisecond)
	if got := calm.Quiet(); got != 0 {
		t.Errorf("a change still waits, yet Quiet is %s", got)
	}
	at(1900 * time.Millisecond)
	if got, want := calm.Quiet(), 700*time.Millisecond; got != want {
		t.Errorf("Quiet is %s, want %s: kube-proxy synchronised at 1.2 s, not at the last change", got, want)
	}
}

// Nobody tells when kube-proxy synchronises: what comes about then may just have missed it.
func TestAChangeThatMayHaveComeTooLateIsCarriedOutASecondLater(t *testing.T) {
	now := time.Unix(1000, 0)
	calm := calmAt(&now)
	for _, at := range []time.Duration{0, 100 * time.Millisecond, 1100 * time.Millisecond} {
		now = time.Unix(1000, 0).Add(at)
		calm.Expect()
	}
	now = time.Unix(1000, 0).Add(2300 * time.Millisecond)
	if got := calm.Quiet(); got != 0 {
		t.Errorf("Quiet is %s, and the last change may be carried out only now", got)
	}
	now = now.Add(500 * time.Millisecond)
	if got, want := calm.Quiet(), 500*time.Millisecond; got != want {
		t.Errorf("Quiet is %s, want %s", got, want)
	}
	// Where something changes all the time, each change is carried out within 1.2 s of it.
	for range 100 {
		now = now.Add(300 * time.Millisecond)
		calm.Expect()
	}
	now = now.Add(latestAgain + time.Second)
	if got := calm.Quiet(); got < time.Second {
		t.Errorf("Quiet is %s a second after the last change has to have been carried out", got)
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

// What a slice of ours leads to is written first, and what stands beside it later: only the
// first is carried out.
func TestASliceThatLeadsWhereItDidIsNoChange(t *testing.T) {
	slice := func(manager, rv, to string, note string) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{ResourceVersion: rv, Labels: map[string]string{discoveryv1.LabelManagedBy: manager},
				Annotations: map[string]string{"note": note}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{to}}},
		}
	}
	for _, row := range []struct {
		name          string
		before, after *discoveryv1.EndpointSlice
		stirs         bool
	}{
		{"an annotation of ours", slice(v1alpha1.ManagedBy, "1", "10.0.0.1", "a"), slice(v1alpha1.ManagedBy, "2", "10.0.0.1", "b"), false},
		{"another server", slice(v1alpha1.ManagedBy, "1", "10.0.0.1", ""), slice(v1alpha1.ManagedBy, "2", "10.0.0.2", ""), true},
		// Of others' the operator keeps no addresses (cacheOptions).
		{"somebody else's", slice("endpointslice-controller.k8s.io", "1", "", ""), slice("endpointslice-controller.k8s.io", "2", "", ""), true},
	} {
		now := time.Unix(1000, 0)
		calm := calmAt(&now)
		calm.Handler().OnUpdate(row.before, row.after)
		if got := calm.Quiet() == 0; got != row.stirs {
			t.Errorf("%s: counts as a change: %v", row.name, got)
		}
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
