package controller

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// told are the events so far.
func told(r *events.FakeRecorder) []string {
	var out []string
	for {
		select {
		case e := <-r.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

func newEvents() (*Events, *events.FakeRecorder, *hands) {
	h, recorder := newHands(), events.NewFakeRecorder(100)
	return &Events{Recorder: recorder, clock: h.clock}, recorder, h
}

func cartNamed(name string) *v1alpha1.Valkey {
	return &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
}

func down(node string) model.Plan {
	return model.Plan{Holds: []model.Hold{{Shard: "cart", Reason: model.NodeDown, Node: node, Detail: "no answer"}}}
}

func TestAHoldIsNewsOnceAndOnlyWhenItLasts(t *testing.T) {
	e, recorder, h := newEvents()
	v := cartNamed("cart")
	e.Held(v, down("cart-1"))
	h.at = h.at.Add(newsAfter - 1)
	e.Held(v, down("cart-1"))
	if got := told(recorder); len(got) != 0 {
		t.Errorf("told too early: %q", got)
	}
	h.at = h.at.Add(1)
	for range 3 {
		e.Held(v, down("cart-1"))
	}
	if got := told(recorder); len(got) != 1 || !strings.Contains(got[0], "Warning NodeDown NodeDown: cart-1: no answer") {
		t.Errorf("told %q", got)
	}
	e.Held(v, down("cart-2"))
	h.at = h.at.Add(newsAfter)
	e.Held(v, down("cart-2"))
	if got := told(recorder); len(got) != 1 {
		t.Errorf("another node's hold: told %q", got)
	}
	e.Held(v, model.Plan{}) // over
	e.Held(v, down("cart-2"))
	h.at = h.at.Add(newsAfter)
	e.Held(v, down("cart-2"))
	if got := told(recorder); len(got) != 1 {
		t.Errorf("the same again, later: told %q", got)
	}
}

func TestAHoldThatEveryRolloutMeetsIsNoNews(t *testing.T) {
	e, recorder, h := newEvents()
	for _, reason := range []model.Reason{model.ServicesBusy, model.RevisionUnknown, model.PodStarting, model.ClientsLeaving} {
		plan := model.Plan{Holds: []model.Hold{{Reason: reason}}}
		e.Held(cartNamed("cart"), plan)
		h.at = h.at.Add(time.Hour)
		e.Held(cartNamed("cart"), plan)
	}
	working := down("cart-1")
	working.Steps = map[string]model.Step{"cart": model.Drain{}}
	e.Held(cartNamed("cart"), working)
	h.at = h.at.Add(time.Hour)
	e.Held(cartNamed("cart"), working)
	if got := told(recorder); len(got) != 0 {
		t.Errorf("told %q", got)
	}
}

func TestStepsThatPeopleAskAboutAreTold(t *testing.T) {
	e, recorder, _ := newEvents()
	for _, step := range []model.Step{model.Promote{}, model.Follow{}, model.Scale{}, model.Restart{}, model.Drain{Start: true},
		model.Drain{}, model.Publish{}, model.Handover{}, model.Meet{}, model.AddSlots{}, model.Release{}, model.Forget{},
		model.MoveSlots{Atomic: true}, model.MoveSlots{}, model.CancelMoves{},
		model.WatchPrimary{}, model.SetWatch{}, model.ResetWatch{}, model.Rank{}, model.PauseWrites{}, model.ScaleSentinels{}} {
		e.Done(cartNamed("cart"), "cart", step)
	}
	var reasons []string
	for _, event := range told(recorder) {
		reasons = append(reasons, strings.Fields(event)[1])
	}
	if have := strings.Join(reasons, " "); have != "Promoted Following Scaled Restarting Draining Met SlotsAdded Released Forgotten MovingSlots MovesCancelled"+
		" SentinelTold SentinelTold SentinelReset ScaledSentinels" {
		t.Errorf("told %s", have)
	}
}

func TestNewsOfAClusterNameTheShard(t *testing.T) {
	e, recorder, h := newEvents()
	v := cartNamed("ring")
	e.Done(v, "ring-shard-1", model.Scale{From: 2, To: 3})
	plan := model.Plan{Steps: map[string]model.Step{"ring-shard-0": model.Publish{}}, Holds: []model.Hold{
		{Shard: "ring-shard-0", Reason: model.NodeDown, Detail: "something is done there"},
		{Shard: "ring-shard-1", Reason: model.OtherShards, Detail: "it waits for another one"},
		{Shard: "ring-shard-2", Reason: model.ShardLost, Detail: "nothing is left"}}}
	for range 2 {
		e.Held(v, plan)
		h.at = h.at.Add(newsAfter)
	}
	got := told(recorder)
	if len(got) != 2 || !strings.Contains(got[0], "ring-shard-1: scale from 2 to 3") || !strings.Contains(got[1], "ShardLost ring-shard-2: ShardLost: nothing is left") {
		t.Errorf("told %q", got)
	}
}

func TestANoteFitsIntoAnEventWithWholeCharacters(t *testing.T) {
	for _, text := range []string{strings.Repeat("é", 2000), "x" + strings.Repeat("é", 2000), strings.Repeat("a", 1024)} {
		if n := note(text); len(n) > 1024 || !utf8.ValidString(n) {
			t.Errorf("%d bytes, valid %t", len(n), utf8.ValidString(n))
		}
	}
	if note("short") != "short" {
		t.Error("a short note is changed")
	}
}

func TestAnUnplannedPromotionIsAWarningThatSaysWhomItReplaces(t *testing.T) {
	e, recorder, _ := newEvents()
	e.Done(cartNamed("cart"), "cart", model.Promote{Node: model.Ref{Name: "cart-1"}, Lost: "cart-0", Why: "cart-0 has been silent for 5s"})
	e.Done(cartNamed("cart"), "cart", model.Promote{Node: model.Ref{Name: "cart-1"}, Why: "a new shard"})
	got := told(recorder)
	if len(got) != 2 || !strings.Contains(got[0], "Warning FailedOver cart-0 was lost, and cart-1 is primary in its place: cart-0 has been silent for 5s") ||
		!strings.Contains(got[1], "Normal Promoted promote cart-1 (a new shard)") {
		t.Errorf("told %q", got)
	}
}
