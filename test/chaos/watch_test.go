package chaos

import (
	"strings"
	"testing"
	"time"
)

func TestDataThatAreNowhereLeftAreTold(t *testing.T) {
	full := Look{Whole: true, Servers: []Server{{Pod: "a", Keys: 1000, Primary: true}, {Pod: "b", Keys: 1000}}}
	for _, c := range []struct {
		name string
		look Look
		says string
	}{
		{"one is empty", Look{Whole: true, Servers: []Server{{Pod: "a"}, {Pod: "b", Keys: 1000}}}, ""},
		{"all are empty", Look{Whole: true, Servers: []Server{{Pod: "a"}, {Pod: "b"}}}, "of 1000 keys only 0"},
		{"all are nearly empty", Look{Whole: true, Servers: []Server{{Pod: "a", Keys: 9}, {Pod: "b", Keys: 7}}}, "only 9"},
		{"one is loading", Look{Whole: true, Servers: []Server{{Pod: "a"}, {Pod: "b", Busy: true}}}, ""},
		{"one does not answer", Look{Servers: []Server{{Pod: "a"}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w Watch
			if wrong := w.See(full); len(wrong) > 0 {
				t.Fatal(wrong)
			}
			wrong := strings.Join(w.See(c.look), "\n")
			if (c.says == "") != (wrong == "") || !strings.Contains(wrong, c.says) {
				t.Errorf("wrong %q, wanted %q", wrong, c.says)
			}
		})
	}
}

func TestSlotsThatMoveAreNoLoss(t *testing.T) {
	var w Watch
	for _, keys := range [][2]int{{900, 0}, {450, 450}, {100, 800}} {
		wrong := w.See(Look{Whole: true, Servers: []Server{{Shard: "x", Keys: keys[0]}, {Shard: "y", Keys: keys[1]}}})
		if len(wrong) > 0 {
			t.Error(wrong)
		}
	}
	if w.Looks != 3 {
		t.Errorf("%d whole looks", w.Looks)
	}
}

func TestTwoPrimariesAreToldOnceEveryoneCouldKnowBetter(t *testing.T) {
	two := []Server{{Pod: "a", Shard: "x", Primary: true}, {Pod: "b", Shard: "x", Primary: true}, {Pod: "c", Shard: "y", Primary: true}}
	for _, c := range []struct {
		name     string
		calm     time.Time
		together bool
		want     bool
	}{
		{name: "while a fault is on"},
		{name: "just after it", calm: second(100)},
		{name: "long after it", calm: second(50), want: true},
		{name: "where nodes without slots say so", calm: second(50), together: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Watch{Together: c.together}
			wrong := w.See(Look{At: second(101), Calm: c.calm, Servers: two})
			if (len(wrong) == 1) != c.want {
				t.Errorf("wrong: %q", wrong)
			}
		})
	}
}

func TestAnInstanceIsSettledWhenItsServersSaySo(t *testing.T) {
	a, b := Server{Pod: "a", Shard: "x", Primary: true}, Server{Pod: "b", Shard: "x", Linked: true}
	c, d := Server{Pod: "c", Shard: "y", Primary: true}, Server{Pod: "d", Shard: "y", Linked: true}
	second, lone, loading := b, d, d
	second.Primary, lone.Linked, loading.Busy = true, false, true
	follower := a
	follower.Primary, follower.Linked = false, true
	for _, one := range []struct {
		name string
		look Look
		says string
	}{
		{"well", Look{Whole: true, Servers: []Server{a, b, c, d}}, ""},
		{"somebody is not there", Look{Servers: []Server{a, b, c}}, "not every server"},
		{"two primaries", Look{Whole: true, Servers: []Server{a, second, c, d}}, "2 servers of shard \"x\""},
		{"no primary", Look{Whole: true, Servers: []Server{follower, b, c, d}}, "0 servers of shard \"x\""},
		{"no link", Look{Whole: true, Servers: []Server{a, b, c, lone}}, "d has no link"},
		{"loading", Look{Whole: true, Servers: []Server{a, b, c, loading}}, "d is loading"},
		{"a shard is missing", Look{Whole: true, Servers: []Server{a, b}}, "1 shards answer, not of 2"},
	} {
		t.Run(one.name, func(t *testing.T) {
			why := strings.Join(Unsettled(one.look, 2), "; ")
			if (one.says == "") != (why == "") || !strings.Contains(why, one.says) {
				t.Errorf("unsettled %q, wanted %q", why, one.says)
			}
		})
	}
}
