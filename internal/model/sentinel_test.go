package model_test

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

func TestAStepAboutSentinelsIsTheSameWhileItDoesTheSameToTheSamePods(t *testing.T) {
	a, b := model.Ref{Name: "s-0", UID: "a"}, model.Ref{Name: "s-0", UID: "b"}
	settings, others := model.WatchSettings{Quorum: 2}, model.WatchSettings{Quorum: 3}
	for _, row := range []struct {
		step          model.Step
		same, differs []model.Step
		looksAgain    bool
	}{
		{model.WatchPrimary{Sentinel: a, Primary: a, Instead: "x", Settings: settings, Why: "one"},
			[]model.Step{model.WatchPrimary{Sentinel: a, Primary: a, Instead: "x", Settings: others, Why: "another"}},
			[]model.Step{model.WatchPrimary{Sentinel: b, Primary: a, Instead: "x"}, model.WatchPrimary{Sentinel: a, Primary: b, Instead: "x"},
				model.WatchPrimary{Sentinel: a, Primary: a}, model.SetWatch{Sentinel: a}}, true},
		{model.SetWatch{Sentinel: a, Settings: settings}, nil,
			[]model.Step{model.SetWatch{Sentinel: a, Settings: others}, model.SetWatch{Sentinel: b, Settings: settings}, model.ResetWatch{Sentinel: a}}, false},
		{model.ResetWatch{Sentinel: a, Why: "one"}, []model.Step{model.ResetWatch{Sentinel: a, Why: "another"}},
			[]model.Step{model.ResetWatch{Sentinel: b}, model.SetWatch{Sentinel: a}}, true},
		{model.Rank{Node: a, Priority: 100, Why: "one"}, []model.Step{model.Rank{Node: a, Priority: 100}},
			[]model.Step{model.Rank{Node: a}, model.Rank{Node: b, Priority: 100}, model.ResetWatch{Sentinel: a}}, true},
		{model.PauseWrites{Node: a, For: time.Second}, []model.Step{model.PauseWrites{Node: a, For: time.Minute, Why: "one"}},
			[]model.Step{model.PauseWrites{Node: b, For: time.Second}, model.Rank{Node: a}}, false},
		{model.ScaleSentinels{Set: "s", From: 3, To: 2}, nil,
			[]model.Step{model.ScaleSentinels{Set: "s", From: 3, To: 1}, model.ScaleSentinels{Set: "t", From: 3, To: 2}, model.Scale{From: 3, To: 2}}, true},
		{model.ScaleSentinels{Set: "s", From: 3, To: 5}, nil, []model.Step{model.ScaleSentinels{Set: "s", From: 2, To: 5}}, false},
	} {
		for _, other := range append(row.same, row.step) {
			if !row.step.Same(other) {
				t.Errorf("%v is not the same as %v", row.step, other)
			}
		}
		for _, other := range row.differs {
			if row.step.Same(other) {
				t.Errorf("%v is the same as %v", row.step, other)
			}
		}
		if row.step.Disruptive() != row.looksAgain {
			t.Errorf("%v looks again: %t", row.step, row.step.Disruptive())
		}
	}
}

func TestASentinelHasToBeThereToBeCountedOn(t *testing.T) {
	whole := model.SentinelNode{Phase: model.PodRunning, Ready: true, Answered: true, Watch: &model.Watch{Primary: "a"}}
	silent, unready, going := whole, whole, whole
	silent.Answered, unready.Ready, going.Phase = false, false, model.PodTerminating
	for name, n := range map[string]model.SentinelNode{"silent": silent, "not Ready": unready, "terminating": going, "absent": {}} {
		if !n.Down() {
			t.Errorf("one that is %s is not down", name)
		}
	}
	if whole.Down() || !whole.Named("a") || whole.Named("b") || silent.Named("a") {
		t.Error("one that answers counts, and one that does not says nothing")
	}
}

func TestAsManySentinelsHaveToAgreeAsAQuorumAndAMajorityOfAll(t *testing.T) {
	for _, row := range []struct{ quorum, size, wanted, needed int }{{2, 3, 3, 2}, {4, 5, 5, 4}, {2, 5, 3, 3}, {4, 3, 7, 4}, {2, 0, 3, 2}} {
		set := model.SentinelSet{Size: row.size, Wanted: row.wanted, Settings: model.WatchSettings{Quorum: row.quorum, DownAfter: time.Second}}
		if have := set.Needed(); have != row.needed {
			t.Errorf("quorum %d, %d there, %d wished for: %d, want %d", row.quorum, row.size, row.wanted, have, row.needed)
		}
	}
}
