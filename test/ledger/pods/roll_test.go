package pods

import (
	"testing"
	"time"
)

var zero = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is a moment in ms after zero.
func at(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }

// replaced is an old pod and its successor, with their moments in ms.
func replaced(name string, deletion, gone, ready, synced int) []Life {
	return []Life{
		{Name: name, UID: name + "-old", Created: at(-1000), Image: "8.1", Deletion: at(deletion), Gone: at(gone)},
		{Name: name, UID: name + "-new", Created: at(gone + 10), Image: "9.1", Ready: at(ready), Synced: at(synced)},
	}
}

func lives(parts ...[]Life) []Life {
	var out []Life
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestPodsOneAfterTheOtherAddUp(t *testing.T) {
	got := Rolls(lives(
		replaced("p-2", 100, 600, 2600, 2700),
		replaced("p-1", 3000, 3500, 5000, 4900), // synced before Ready
		replaced("p-0", 6000, 6400, 8000, 8200),
	), []Mark{{At: at(0), Name: "image change"}}, at(10000))
	if len(got) != 1 {
		t.Fatalf("%d rolls, want 1", len(got))
	}
	roll := got[0]
	if want := 2600 + 2000 + 2200; roll.Unavoidable != time.Duration(want)*time.Millisecond {
		t.Errorf("unavoidable %s, want %d ms", roll.Unavoidable, want)
	}
	if roll.Duration() != 8200*time.Millisecond || !roll.Complete || roll.Mark != "image change" {
		t.Errorf("roll %+v, want 8.2 s from the mark, complete", roll)
	}
	if p := roll.Pods[0]; p.Name != "p-2" || p.FromImage != "8.1" || p.ToImage != "9.1" {
		t.Errorf("first pod %+v", p)
	}
}

// The extra pod of a roll leaves at its end, and comes back in the next one.
func TestAPodThatComesBackInTheNextRollWasRemovedInThisOne(t *testing.T) {
	extra := func(uid string, created, deletion, gone int) Life {
		return Life{Name: "p-1", UID: uid, Created: at(created), Ready: at(created + 100), Synced: at(created + 100),
			Deletion: at(deletion), Gone: at(gone)}
	}
	marks := []Mark{{At: at(0), Name: "first"}, {At: at(5000), Name: "second"}}
	got := Rolls([]Life{extra("a", 10, 4000, 4500), extra("b", 5010, 9000, 9500)}, marks, at(10000))
	if len(got) != 2 || !got[0].End.Equal(at(4500)) || !got[1].End.Equal(at(9500)) || !got[0].Complete || !got[0].Pods[0].Removed {
		t.Errorf("%+v, wanted a roll to 4.5 s and one to 9.5 s", got)
	}
}

func TestTimesOfTwoPodsAtOnceCountOnce(t *testing.T) {
	got := Rolls(lives(
		replaced("p-1", 0, 500, 2000, 2000),
		replaced("p-0", 1000, 1200, 3000, 3000),
		replaced("p-2", 1100, 1200, 1500, 1500), // wholly within the others
	), nil, at(10000))
	if len(got) != 1 || got[0].Unavoidable != 3*time.Second || got[0].Duration() != 3*time.Second {
		t.Errorf("rolls %+v, want one of 3 s, all of it unavoidable", got)
	}
}

func TestEachMarkBeginsARoll(t *testing.T) {
	got := Rolls(lives(
		replaced("p-0", 50, 60, 70, 80),
		replaced("p-1", 1100, 1200, 1300, 1400),
		replaced("p-2", 3100, 3200, 3300, 3400),
	), []Mark{{at(3000), "third"}, {at(1000), "first"}, {at(2000), "without pods"}}, at(10000))
	if len(got) != 3 || got[0].Mark != "" || got[1].Mark != "first" || got[2].Mark != "third" {
		t.Fatalf("rolls %+v", got)
	}
	if got[1].Start != at(1000) || got[1].End != at(1400) || got[0].Start != at(50) {
		t.Errorf("rolls %+v", got)
	}
}

func TestARollThatDidNotEndIsNotComplete(t *testing.T) {
	for name, last := range map[string][]Life{
		"never gone":  {{Name: "p", UID: "1", Deletion: at(100)}, {Name: "p", UID: "2", Created: at(200)}},
		"never Ready": {{Name: "p", UID: "1", Deletion: at(100), Gone: at(150)}, {Name: "p", UID: "2", Created: at(200)}},
		"never synced": {
			{Name: "p", UID: "1", Deletion: at(100), Gone: at(150)},
			{Name: "p", UID: "2", Created: at(200), Ready: at(300)},
		},
	} {
		got := Rolls(last, nil, at(5000))
		if len(got) != 1 || got[0].Complete || got[0].End != at(5000) {
			t.Errorf("%s: rolls %+v, want one that is not complete and lasts to the end", name, got)
		}
	}
}

func TestAPodThatIsRemovedForGoodWaitsOnlyToBeGone(t *testing.T) {
	got := Rolls([]Life{{Name: "p-3", UID: "1", Deletion: at(100), Gone: at(400)}}, nil, at(5000))
	if len(got) != 1 || !got[0].Complete || got[0].Unavoidable != 300*time.Millisecond || !got[0].Pods[0].Removed {
		t.Errorf("rolls %+v, want one of 300 ms", got)
	}
}

func TestAPodReplacedTwiceCountsTwice(t *testing.T) {
	got := Rolls([]Life{
		{Name: "p", UID: "1", Created: at(-1000), Deletion: at(100), Gone: at(200)},
		{Name: "p", UID: "2", Created: at(210), Ready: at(300), Synced: at(400), Deletion: at(500), Gone: at(600)},
		{Name: "p", UID: "3", Created: at(610), Ready: at(700), Synced: at(800)},
	}, nil, at(5000))
	if len(got) != 1 || len(got[0].Pods) != 2 || got[0].Unavoidable != 600*time.Millisecond || !got[0].Complete {
		t.Errorf("rolls %+v", got)
	}
}

func TestARollOverSeveralStatefulSetsIsOneRoll(t *testing.T) {
	mark := []Mark{{At: at(0), Name: "image change"}}
	for _, c := range []struct {
		name              string
		pods              []Life
		took, unavoidable int
	}{
		{"one shard after the other", lives(
			replaced("o-shard-0-1", 100, 600, 1600, 1700), replaced("o-shard-0-0", 2000, 2500, 3500, 3600),
			replaced("o-shard-1-1", 4000, 4500, 5500, 5600), replaced("o-shard-1-0", 6000, 6500, 7500, 7600),
		), 7600, 4 * 1600},
		{"two shards at once", lives(
			replaced("o-shard-0-1", 100, 600, 1600, 1700), replaced("o-shard-0-0", 2000, 2500, 3500, 3600),
			replaced("o-shard-1-1", 200, 700, 1700, 1800), replaced("o-shard-1-0", 2100, 2600, 3600, 3700),
		), 3700, 2 * 1700},
		{"the second while the first is between its pods", lives(
			replaced("o-shard-0-1", 0, 500, 900, 1000), replaced("o-shard-0-0", 2000, 2500, 2900, 3000),
			replaced("o-shard-1-1", 1000, 1500, 1900, 2000),
		), 3000, 3000},
	} {
		got := Rolls(c.pods, mark, at(10000))
		if len(got) != 1 || !got[0].Complete || len(got[0].Pods) != len(c.pods)/2 {
			t.Fatalf("%s: rolls %+v, want one of all pods", c.name, got)
		}
		if got[0].Duration() != time.Duration(c.took)*time.Millisecond || got[0].Unavoidable != time.Duration(c.unavoidable)*time.Millisecond {
			t.Errorf("%s: took %s, unavoidable %s; want %d and %d ms", c.name, got[0].Duration(), got[0].Unavoidable, c.took, c.unavoidable)
		}
	}
}
