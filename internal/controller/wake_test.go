package controller

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/observe"
)

// retried is when the StatefulSet controller was asked to try again.
func (l *loop) retried(t *testing.T) string {
	t.Helper()
	set := &appsv1.StatefulSet{}
	if err := l.api.Get(t.Context(), cartKey, set); err != nil {
		t.Fatal(err)
	}
	return set.Annotations[v1alpha1.RetriedAnnotation]
}

func (l *loop) turns(t *testing.T, at time.Time) {
	t.Helper()
	l.clock = func() time.Time { return at }
	l.Observer.Now = l.clock
	if _, err := l.turnOnce(t); err != nil {
		t.Fatal(err)
	}
}

func TestAPodThatIsRefusedIsExplainedAndTriedAgain(t *testing.T) {
	l := formed(t)
	l.Observer.Absences = observe.NewAbsences(l.api)
	l.turns(t, time.Now())
	lost := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart-1"}}
	if err := l.api.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	began := time.Now().Truncate(time.Second)
	l.turns(t, began)
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart.1"},
		Reason: "FailedCreate", Message: "Create Pod cart-1 in StatefulSet cart failed error: exceeded quota", LastTimestamp: metav1.NewTime(began)}
	if err := l.api.Create(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	l.turns(t, began.Add(wakeEvery-time.Second))
	if at := l.retried(t); at != "" {
		t.Errorf("tried again at %s, and it began at %s", at, began)
	}
	if c := conditionOf(l.valkey(t), "Degraded"); c.Reason != "NodeTrouble" || !strings.Contains(c.Message, "cart-1: its pod cannot be made: exceeded quota") {
		t.Errorf("Degraded: %+v", c)
	}
	for _, row := range []struct{ after, want time.Duration }{
		{wakeEvery, wakeEvery}, {wakeEvery + time.Second, wakeEvery}, {2*wakeEvery - time.Second, wakeEvery}, {2 * wakeEvery, 2 * wakeEvery},
	} {
		l.turns(t, began.Add(row.after))
		if at, want := l.retried(t), began.Add(row.want).UTC().Format(time.RFC3339); at != want {
			t.Errorf("after %s it was last tried at %s, want %s", row.after, at, want)
		}
	}
	// What is declared anew leaves the mark alone.
	v := l.valkey(t)
	v.Spec.RestartToken = "once"
	if err := l.api.Update(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	l.turns(t, began.Add(2*wakeEvery+time.Second))
	if l.retried(t) == "" {
		t.Error("the mark has gone")
	}
}

func TestOnlyStatefulSetsThatLackAPodForLongAreWoken(t *testing.T) {
	l := formed(t)
	snap := model.Snapshot{Shards: []model.Shard{{Name: "cart", Nodes: []model.Node{{}, {AbsentFor: wakeEvery - time.Second}}}},
		Sentinels: model.SentinelSet{Name: "cart-sentinel", Nodes: []model.SentinelNode{{AbsentFor: wakeEvery}}}}
	if have := lacking(snap); len(have) != 1 || have[0] != "cart-sentinel" {
		t.Errorf("%q", have)
	}
	foreign := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart-sentinel"}}
	if err := l.api.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	l.wake(t.Context(), l.valkey(t), snap)
	if err := l.api.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign); err != nil || len(foreign.Annotations) != 0 {
		t.Errorf("%v, %v", foreign.Annotations, err)
	}
}
