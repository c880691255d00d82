package plan_test

import (
	"fmt"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/plan"
)

// many is as watched, with so many Sentinels. Each knows all others.
func many(snap model.Snapshot, count int) model.Snapshot {
	snap = watched(snap)
	set := &snap.Sentinels
	set.Size, set.Wanted, set.Settings.Quorum = count, count, count/2+1
	like := set.Nodes[0]
	set.Nodes = nil
	for i := range count {
		n, w := like, *like.Watch
		n.Ordinal, n.ID = i, fmt.Sprintf("id-%d", i)
		n.Ref = model.Ref{Name: fmt.Sprintf("v-sentinel-%d", i), UID: fmt.Sprintf("s-uid-%d", i), Address: fmt.Sprintf("10.0.1.%d:26379", i)}
		w.Settings, w.Others = set.Settings, nil
		for k := range count {
			if k != i {
				w.Others = append(w.Others, model.WatchedSentinel{ID: fmt.Sprintf("id-%d", k)})
			}
		}
		n.Watch = &w
		set.Nodes = append(set.Nodes, n)
	}
	return snap
}

// fewer wishes for three Sentinels, and tells those that are there.
func fewer(set *model.SentinelSet) {
	set.Wanted, set.Settings.Quorum = 3, 2
	each(func(n *model.SentinelNode) { n.Watch.Settings.Quorum = 2 })(set)
}

// silentFrom are all Sentinels from that ordinal on.
func silentFrom(ordinal int) func(*model.SentinelSet) {
	return each(func(n *model.SentinelNode) {
		if n.Ordinal >= ordinal {
			silentSentinel(n)
		}
	})
}

func TestWhileSentinelsBecomeFewerThoseThatLeaveStillCount(t *testing.T) {
	run(t, []incident{
		{name: "no node is touched while most of them are silent", given: with(with(many(almost(), 5), fewer), silentFrom(2)), hold: model.QuorumLost},
		{name: "and nobody is promoted: most of them may be at it", given: with(with(many(lost(), 5), fewer), silentFrom(2)), hold: model.QuorumLost},
	})
}

// formerly lets Sentinels remember others that are no more.
func formerly(count int) func(*model.SentinelSet) {
	return each(func(n *model.SentinelNode) {
		for k := range count {
			n.Watch.Others = append(n.Watch.Others, model.WatchedSentinel{ID: fmt.Sprintf("id-%d", 9+k), Down: true})
		}
	})
}

// A majority is one of all Sentinels that are remembered.
func TestSentinelsThatHaveLeftAreForgottenBeforeTheNextLeaves(t *testing.T) {
	cutOff := func(s *model.Shard) { s.Nodes[2].Server = model.Server{} }
	run(t, []incident{
		{name: "one at a time", given: with(with(many(healthy(), 6), fewer), formerly(1)),
			step: "reset v-sentinel-0 (Sentinel id-9 is no more)"},
		{name: "also when they remember so many that they find no quorum", given: with(with(many(healthy(), 3), formerly(6)), each(func(n *model.SentinelNode) { n.Watch.NoQuorum = "NOQUORUM 3 usable" })),
			step: "reset v-sentinel-0 (Sentinel id-9 is no more)"},
		{name: "not while one has yet to find the others again", given: with(with(with(many(healthy(), 6), fewer), formerly(1)), func(s *model.SentinelSet) {
			s.Nodes[0].Watch.Others = s.Nodes[0].Watch.Others[1:5]
		}), hold: model.SentinelsDisagree, of: "v-sentinel-0"},
		{name: "the next goes while enough would be left all the same", given: with(with(many(healthy(), 4), fewer), formerly(1)), change: cutOff,
			step: "scale from 4 to 3 Sentinels"},
		{name: "and not otherwise", given: with(with(many(healthy(), 4), fewer), formerly(3)), change: cutOff,
			hold: model.QuorumLost, of: "v-sentinel-0"},
		{name: "nor is one restarted", given: with(with(many(healthy(), 3), formerly(2)), func(s *model.SentinelSet) { s.Revision = "s2" }), change: cutOff,
			hold: model.QuorumLost, of: "v-sentinel-0"},
	})
}

func TestAQuorumIsRaisedOnceThereAreSentinelsForIt(t *testing.T) {
	raised := func(set *model.SentinelSet) { set.Wanted, set.Settings.Quorum = 7, 5 }
	there := func(count int) func(*model.SentinelSet) {
		return func(set *model.SentinelSet) {
			raised(set)
			set.Size = 7
			for i := range set.Nodes {
				set.Nodes[i].Watch.Settings.Quorum = 2
				if i >= count {
					set.Nodes[i].Watch, set.Nodes[i].Phase, set.Nodes[i].Answered = nil, model.PodPending, false
				}
			}
		}
	}
	run(t, []incident{
		{name: "they come first", given: with(many(healthy(), 3), raised), step: "scale from 3 to 7 Sentinels"},
		{name: "also while nodes become fewer, which they have to agree to", given: with(many(healthy(), 3), raised),
			change: func(s *model.Shard) {
				s.Size = 4
				s.Nodes = append(s.Nodes, model.Node{Ordinal: 3, Ref: model.Ref{Name: "v-3"}})
			},
			step: "scale from 3 to 7 Sentinels"},
		{name: "also when somebody has taken all of them away, and two nodes are primary", given: with(many(healthy(), 3), func(s *model.SentinelSet) { s.Size, s.Nodes = 0, nil }),
			change: func(s *model.Shard) { s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, "" },
			step:   "scale from 0 to 3 Sentinels"},
		{name: "those that are there keep theirs while it could not be met", given: with(many(healthy(), 7), there(5))},
		{name: "and are told once it can", given: with(many(healthy(), 7), there(6)), step: "tell v-sentinel-0 how to watch"},
		{name: "whatever else is to be told they are told at once", given: with(with(many(healthy(), 7), there(3)), func(s *model.SentinelSet) { s.Settings.DownAfter = 1 }),
			step: "tell v-sentinel-0 how to watch"},
		{name: "a lower one, too", given: with(many(healthy(), 5), func(s *model.SentinelSet) { s.Wanted, s.Settings.Quorum = 3, 2 }),
			step: "tell v-sentinel-0 how to watch"},
	})
}

// Two who promote at the same time may promote two.
func TestNobodyIsPromotedBesideSentinelsThatCanDoIt(t *testing.T) {
	grow := func(s *model.SentinelSet) {
		s.Size, s.Wanted, s.Settings.Quorum = 7, 7, 4
		for i := 3; i < 7; i++ {
			s.Nodes = append(s.Nodes, model.SentinelNode{Ordinal: i, Ref: model.Ref{Name: fmt.Sprintf("v-sentinel-%d", i), UID: "new"}, Phase: model.PodPending, Dead: true, Revision: "s"})
		}
	}
	for name, row := range map[string]struct {
		change func(*model.SentinelSet)
		want   model.Means
		hold   model.Reason
	}{
		"all of them":                        {func(*model.SentinelSet) {}, model.BySentinel, ""},
		"most of them":                       {func(s *model.SentinelSet) { gonePod(&s.Nodes[0]) }, model.BySentinel, ""},
		"one, which cannot":                  {func(s *model.SentinelSet) { gonePod(&s.Nodes[0]); gonePod(&s.Nodes[1]) }, model.ByRole, ""},
		"none that knows anything":           {each(func(n *model.SentinelNode) { n.Watch = nil }), model.ByRole, ""},
		"all that there are until more come": {grow, 0, model.SentinelsDisagree},
		"too few by their own measure, too": {func(s *model.SentinelSet) {
			grow(s)
			each(func(n *model.SentinelNode) {
				if n.Watch != nil {
					n.Watch.Settings.Quorum = 4
				}
			})(s)
		}, model.ByRole, ""},
	} {
		p, err := plan.Next(with(watched(lost()), row.change))
		if err != nil {
			t.Fatal(err)
		}
		step, promotes := p.Steps["v"].(model.Promote)
		switch {
		case row.hold != "" && (p.Steps["v"] != nil || len(p.Holds) == 0 || p.Holds[0].Reason != row.hold):
			t.Errorf("%s: %v, held by %v, wanted %s", name, p.Steps["v"], p.Holds, row.hold)
		case row.hold == "" && (!promotes || step.Means != row.want):
			t.Errorf("%s: %v by %v, held by %v, wanted %v", name, p.Steps["v"], step.Means, p.Holds, row.want)
		}
	}
}
