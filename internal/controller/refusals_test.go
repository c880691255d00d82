package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// hands is a clock that the test moves.
type hands struct{ at time.Time }

func (h *hands) clock() time.Time { return h.at }

func newHands() *hands { return &hands{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func restartOf(uid string) model.Restart {
	return model.Restart{Node: model.Ref{Name: "cart-1", UID: uid}, Revision: "new"}
}

func planOf(step model.Step) model.Plan {
	return model.Plan{Steps: map[string]model.Step{"cart": step}}
}

func TestAStepThatWasRefusedWaitsAndShowsAsTheHoldThatItMet(t *testing.T) {
	h := newHands()
	r := &refusals{clock: h.clock}
	step := restartOf("uid")
	r.held("shop/cart", "cart", step, []model.Hold{{Reason: model.BudgetExhausted, After: time.Second}})
	if !r.waits("shop/cart", "cart", step) {
		t.Error("it is tried again at once")
	}
	shown, err := r.show("shop/cart", planOf(step))
	if err != nil || len(shown.Steps) != 0 || len(shown.Holds) != 1 || shown.Holds[0].Reason != model.BudgetExhausted {
		t.Errorf("shown %+v, %v", shown, err)
	}
	if r.waits("shop/cart", "cart", restartOf("another")) {
		t.Error("another pod waits for it too")
	}
	if shown, _ := r.show("shop/cart", planOf(restartOf("another"))); len(shown.Steps) != 1 || len(shown.Holds) != 0 {
		t.Errorf("another step shows as that hold: %+v", shown)
	}
	if r.waits("shop/cart", "other", step) || r.waits("shop/shoes", "cart", step) {
		t.Error("another shard or instance waits for it too")
	}
	h.at = h.at.Add(time.Second)
	if r.waits("shop/cart", "cart", step) {
		t.Error("it is never tried again")
	}
	if shown, _ := r.show("shop/cart", planOf(step)); len(shown.Holds) != 1 {
		t.Error("the hold blinks while the step is tried again")
	}
	r.done("shop/cart", "cart")
	if shown, _ := r.show("shop/cart", planOf(step)); len(shown.Holds) != 0 {
		t.Error("the hold outlives its end")
	}
}

func TestTheHoldsOfTwoShardsStandSideBySide(t *testing.T) {
	r := &refusals{}
	a, b := restartOf("a"), restartOf("b")
	r.held("shop/cart", "one", a, []model.Hold{{Shard: "one"}})
	r.held("shop/cart", "two", b, []model.Hold{{Shard: "two"}})
	r.done("shop/cart", "one")
	shown, _ := r.show("shop/cart", model.Plan{Steps: map[string]model.Step{"one": a, "two": b}})
	if len(shown.Steps) != 1 || len(shown.Holds) != 1 || shown.Holds[0].Shard != "two" {
		t.Errorf("shown %+v", shown)
	}
}

func TestAStepThatFailedIsShownWithItsErrorUntilItIsDone(t *testing.T) {
	r := &refusals{}
	step, cause := restartOf("uid"), errors.New("why")
	r.failed("shop/cart", "cart", step, cause)
	if r.waits("shop/cart", "cart", step) {
		t.Error("when it is tried again is the queue's")
	}
	if shown, err := r.show("shop/cart", planOf(step)); !errors.Is(err, cause) || len(shown.Steps) != 1 {
		t.Errorf("shown %+v, %v", shown, err)
	}
	if _, err := r.show("shop/cart", planOf(restartOf("another"))); err != nil {
		t.Errorf("another step is shown with %v", err)
	}
	r.done("shop/cart", "cart")
	if _, err := r.show("shop/cart", planOf(step)); err != nil {
		t.Errorf("shown %v", err)
	}
}

func TestWhatIsKeptOfADeletedInstanceIsForgotten(t *testing.T) {
	r, reports, events := &refusals{}, &reports{}, &Events{}
	r.failed("shop/cart", "cart", restartOf("uid"), errors.New("why"))
	r.forget("shop/cart")
	reports.wrote("shop/cart")
	reports.forget("shop/cart")
	events.news("shop/cart", "NodeDown")
	events.Forget("shop/cart")
	if len(r.last)+len(reports.last)+len(events.held) != 0 {
		t.Error("something is kept")
	}
}

func TestOnlyWordsWaitForTheirTurnToBeWritten(t *testing.T) {
	h := newHands()
	r := &reports{clock: h.clock}
	if !r.due("shop/cart") {
		t.Error("the first words wait")
	}
	r.wrote("shop/cart")
	h.at = h.at.Add(wordsEvery - 1)
	if r.due("shop/cart") {
		t.Error("they are written too often")
	}
	h.at = h.at.Add(1)
	if !r.due("shop/cart") {
		t.Error("they are never written")
	}
}

func TestThePlannerIsToldOfAHandoverThatWasRefusedAMomentAgo(t *testing.T) {
	h := newHands()
	r := &refusals{clock: h.clock}
	step := model.Handover{From: model.Ref{Name: "cart-0"}, To: model.Ref{Name: "cart-1"}, Revision: "new"}
	recalled := func() model.Attempt {
		snap := model.Snapshot{Instance: "shop/cart", Shards: []model.Shard{{Name: "cart"}, {Name: "other"}}}
		r.recall(&snap)
		if other := snap.Shards[1].Attempt; other != (model.Attempt{}) {
			t.Errorf("another shard is told: %+v", other)
		}
		return snap.Shards[0].Attempt
	}
	if a := recalled(); a != (model.Attempt{}) {
		t.Errorf("nothing was refused, and it is told of %+v", a)
	}
	r.held("shop/cart", "cart", restartOf("uid"), []model.Hold{{Reason: model.BudgetExhausted, After: time.Minute}})
	if a := recalled(); a != (model.Attempt{}) {
		t.Errorf("a restart was refused, and it is told of %+v", a)
	}
	r.held("shop/cart", "cart", step, []model.Hold{{Reason: model.HandoverGate, Node: "cart-1", After: time.Second}})
	h.at = h.at.Add(400 * time.Millisecond)
	want := model.Hold{Reason: model.HandoverGate, Node: "cart-1", After: 600 * time.Millisecond}
	if a := recalled(); a.Refused != step || a.Gate != want {
		t.Errorf("it is told of %+v", a)
	}
	h.at = h.at.Add(600 * time.Millisecond)
	if a := recalled(); a != (model.Attempt{}) {
		t.Errorf("it is told for ever: %+v", a)
	}
	r.held("shop/cart", "cart", step, []model.Hold{{Reason: model.ServicesBusy, After: time.Second}})
	if a := recalled(); a != (model.Attempt{}) {
		t.Errorf("it was another's turn, and it is told of %+v", a)
	}
	r.failed("shop/cart", "cart", step, errors.New("cut off"))
	if a := recalled(); a != (model.Attempt{}) {
		t.Errorf("it failed by an error, and is told of %+v", a)
	}
}
