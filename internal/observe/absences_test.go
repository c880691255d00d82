package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

const quota = `pods "cart-1" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=2, limited: pods=2`

// told is an event of the StatefulSet, as its controller records it: in whole seconds.
func told(reason, message string, at time.Time) corev1.Event {
	return corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("cart.%x.%d", at.UnixNano(), len(message))},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Namespace: "shop", Name: "cart", UID: "set-uid"},
		Reason:         reason, Message: message,
		FirstTimestamp: metav1.NewTime(at.Truncate(time.Second)), LastTimestamp: metav1.NewTime(at.Truncate(time.Second)),
	}
}

func refusedAt(at time.Time, pod string) corev1.Event {
	return told("FailedCreate", "Create Pod "+pod+" in StatefulSet cart failed error: "+quota, at)
}

func TestTheReasonOfAnAbsentPodIsTheLastWordOnItsMaking(t *testing.T) {
	made := func(at time.Time) corev1.Event {
		return told("SuccessfulCreate", "Create Pod cart-1 in StatefulSet cart successful", at)
	}
	want := "its pod cannot be made: " + quota
	recorder := refusedAt(now, "cart-1")
	recorder.FirstTimestamp, recorder.LastTimestamp, recorder.EventTime = metav1.Time{}, metav1.Time{}, metav1.NewMicroTime(now)
	series := recorder
	series.EventTime = metav1.NewMicroTime(now.Add(-time.Hour))
	series.Series = &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(now)}
	for name, row := range map[string]struct {
		said []corev1.Event
		want string
	}{
		"nothing is said":                {nil, ""},
		"a quota":                        {[]corev1.Event{refusedAt(now, "cart-1")}, want},
		"by an older Kubernetes":         {[]corev1.Event{told("FailedCreate", "create Pod cart-1 in StatefulSet cart failed error: "+quota, now)}, want},
		"too often":                      {[]corev1.Event{told("FailedCreate", "(combined from similar events): Create Pod cart-1 in StatefulSet cart failed error: "+quota, now)}, want},
		"its claim":                      {[]corev1.Event{told("FailedCreate", "Create Claim data-cart-1 for Pod cart-1 in StatefulSet cart failed error: "+quota, now)}, want},
		"with a time of another kind":    {[]corev1.Event{recorder}, want},
		"as a series":                    {[]corev1.Event{series}, want},
		"another pod is refused":         {[]corev1.Event{refusedAt(now, "cart-10")}, ""},
		"a pod of another StatefulSet":   {[]corev1.Event{told("FailedCreate", "Create Pod cart-1 in StatefulSet cart-1 failed error: no", now)}, ""},
		"it was made afterwards":         {[]corev1.Event{made(now.Add(time.Minute)), refusedAt(now, "cart-1")}, ""},
		"it was made in the same second": {[]corev1.Event{refusedAt(now, "cart-1"), made(now)}, ""},
		"it was made before":             {[]corev1.Event{made(now.Add(-time.Minute)), refusedAt(now, "cart-1")}, want},
		"only its claim was made since": {[]corev1.Event{refusedAt(now, "cart-1"),
			told("SuccessfulCreate", "Create Claim data-cart-1 Pod cart-1 in StatefulSet cart success", now.Add(time.Second))}, want},
		"long ago": {[]corev1.Event{refusedAt(now.Add(-time.Hour), "cart-1")}, ""},
		"the newest counts": {[]corev1.Event{refusedAt(now, "cart-1"),
			told("FailedCreate", "Create Pod cart-1 in StatefulSet cart failed error: an older cause", now.Add(-time.Minute))}, want},
	} {
		if have := refusal(row.said, "cart", "cart-1", now.Add(-5*time.Minute)); have != row.want {
			t.Errorf("%s: %q, want %q", name, have, row.want)
		}
	}
	long := told("FailedCreate", "Create Pod cart-1 in StatefulSet cart failed error: the cause\n"+strings.Repeat("é", troubleLength), now)
	have := refusal([]corev1.Event{long}, "cart", "cart-1", now.Add(-time.Second))
	if !strings.Contains(have, ": the cause é") || !strings.HasSuffix(have, "é…") || len(have) > troubleLength+50 {
		t.Errorf("%d bytes: %q", len(have), have)
	}
}

// absent is a StatefulSet of two pods, the second of which is absent, and its events.
type absent struct {
	*Absences
	api   client.WithWatch
	set   *appsv1.StatefulSet
	at    time.Time
	asked int
	fail  error
}

func newAbsent(events ...corev1.Event) *absent {
	a := &absent{set: set(cart(), 1, 1), at: now}
	a.set.UID = "set-uid"
	builder := fake.NewClientBuilder().WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string {
		return []string{string(o.(*corev1.Event).InvolvedObject.UID)}
	})
	for i := range events {
		builder.WithObjects(&events[i])
	}
	a.api = interceptor.NewClient(builder.Build(), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			a.asked++
			if a.fail != nil {
				return a.fail
			}
			return c.List(ctx, list, opts...)
		}})
	a.Absences = NewAbsences(a.api)
	return a
}

// after looks that much later, and gives the second pod's node.
func (a *absent) after(t *testing.T, d time.Duration, phase model.PodPhase) model.Node {
	t.Helper()
	a.at = a.at.Add(d)
	nodes := []model.Node{{Ref: model.Ref{Name: "cart-0", UID: "uid"}, Phase: model.PodRunning}, {Ref: model.Ref{Name: "cart-1"}, Phase: phase}}
	a.fill(t.Context(), "shop/cart", a.set, nodes, a.at)
	return nodes[1]
}

func (a *absent) tell(t *testing.T, e corev1.Event) {
	t.Helper()
	if err := a.api.Create(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyAsksWhyAPodIsAbsentForAMoment(t *testing.T) {
	a := newAbsent(refusedAt(now, "cart-1"))
	for range 20 {
		a.after(t, time.Minute, model.PodRunning)
	}
	if n := a.after(t, 0, model.PodAbsent); n.AbsentFor != 0 || n.Trouble != "" {
		t.Errorf("%+v", n)
	}
	if n := a.after(t, absentLong-time.Millisecond, model.PodAbsent); n.AbsentFor != absentLong-time.Millisecond || n.Trouble != "" || a.asked != 0 {
		t.Errorf("asked %d times: %+v", a.asked, n)
	}
	a.tell(t, refusedAt(a.at, "cart-1"))
	for range 10 {
		if n := a.after(t, 100*time.Millisecond, model.PodAbsent); !strings.Contains(n.Trouble, "exceeded quota") || a.asked != 1 {
			t.Errorf("asked %d times: %+v", a.asked, n)
		}
	}
	if a.after(t, refusalsKept, model.PodAbsent); a.asked != 2 {
		t.Errorf("asked %d times", a.asked)
	}
	if n := a.after(t, time.Second, model.PodPending); n.AbsentFor != 0 || n.Trouble != "" || a.asked != 2 {
		t.Errorf("it is there: %+v", n)
	}
}

func TestWhatWasSaidOfAnEarlierAbsenceIsNotBelieved(t *testing.T) {
	a := newAbsent(refusedAt(now, "cart-1"))
	a.after(t, time.Minute, model.PodRunning)
	a.after(t, time.Second, model.PodAbsent)
	if n := a.after(t, absentLong, model.PodAbsent); n.Trouble != "" {
		t.Errorf("it has been there since: %q", n.Trouble)
	}
	a.tell(t, refusedAt(a.at, "cart-1"))
	if n := a.after(t, refusalsKept, model.PodAbsent); n.Trouble == "" {
		t.Error("it is refused again, and nobody says so")
	}
	a.set.Generation++
	a.after(t, time.Minute, model.PodAbsent)
	if n := a.after(t, absentLong, model.PodAbsent); n.Trouble != "" || n.AbsentFor != absentLong {
		t.Errorf("another one is wished for now: %+v", n)
	}
	a.set.Generation-- // as a cache that is late shows it
	if n := a.after(t, time.Second, model.PodAbsent); n.AbsentFor != absentLong+time.Second {
		t.Errorf("%+v", n)
	}
}

func TestAnOperatorThatHasJustStartedBelievesWhatWasSaidLately(t *testing.T) {
	a := newAbsent(refusedAt(now.Add(-10*time.Minute), "cart-1"), refusedAt(now.Add(-time.Hour), "cart-1"))
	a.after(t, 0, model.PodAbsent)
	if n := a.after(t, absentLong, model.PodAbsent); n.Trouble == "" {
		t.Error("it is refused, and nobody says so")
	}
	a.Forget("shop/cart")
	if len(a.sets) != 0 || len(a.events) != 0 {
		t.Errorf("kept: %v, %v", a.sets, a.events)
	}
}

func TestAnOperatorThatMayNotReadEventsDoesWithoutTheWords(t *testing.T) {
	a := newAbsent(refusedAt(now, "cart-1"))
	a.fail = errors.New("events is forbidden")
	a.after(t, 0, model.PodAbsent)
	for range 3 {
		if n := a.after(t, absentLong, model.PodAbsent); n.Trouble != "" {
			t.Errorf("%+v", n)
		}
	}
	if a.asked != 2 {
		t.Errorf("asked %d times: a refusal is not asked for again at every look", a.asked)
	}
	a.fail = nil
	if n := a.after(t, refusalsKept, model.PodAbsent); n.Trouble == "" || n.AbsentFor != 3*absentLong+refusalsKept {
		t.Errorf("%+v", n)
	}
	a.fail = errors.New("the API server restarts")
	if n := a.after(t, refusalsKept, model.PodAbsent); n.Trouble == "" {
		t.Error("what was said is forgotten")
	}
}

func TestASentinelThatIsRefusedIsExplainedToo(t *testing.T) {
	a := newAbsent()
	v := cart()
	v.Spec.Topology = v1alpha1.TopologySentinel
	set := set(v, 1, 1)
	set.Name, set.UID = v.SentinelName(), "set-uid"
	if err := a.api.Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	a.tell(t, told("FailedCreate", "Create Pod cart-sentinel-0 in StatefulSet cart-sentinel failed error: "+quota, now))
	at := now
	o := Observer{Reader: a.api, Absences: a.Absences, Now: func() time.Time { return at }}
	for _, row := range []struct {
		after   time.Duration
		trouble string
	}{{0, ""}, {absentLong, "its pod cannot be made: " + quota}} {
		at = now.Add(row.after)
		have, err := o.sentinels(t.Context(), v, nil)
		if err != nil || len(have.Nodes) != 3 || have.Nodes[0].Trouble != row.trouble || have.Nodes[0].AbsentFor != row.after || have.Nodes[1].Trouble != "" {
			t.Errorf("after %s: %+v, %v", row.after, have.Nodes, err)
		}
	}
}
