package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// watched is a snapshot of which three Sentinels, all fresh, watch v-0.
func watched(snap model.Snapshot) model.Snapshot {
	snap.Topology = model.Sentinel
	settings := model.WatchSettings{Quorum: 2, DownAfter: 5 * time.Second, FailoverTimeout: 10 * time.Second}
	set := model.SentinelSet{Name: "v-sentinel", Exists: true, Revision: "s", Size: 3, Wanted: 3, Settings: settings, Version: "9.1.2"}
	for i := range 3 {
		w := &model.Watch{Primary: addr(0), Epoch: 4, Settings: settings}
		for k := 1; k < 3; k++ {
			w.Replicas = append(w.Replicas, model.WatchedReplica{Address: addr(k), Priority: model.UsualPriority})
		}
		for k := range 3 {
			if k != i {
				w.Others = append(w.Others, model.WatchedSentinel{ID: fmt.Sprintf("id-%d", k)})
			}
		}
		set.Nodes = append(set.Nodes, model.SentinelNode{Ordinal: i, Phase: model.PodRunning, Ready: true, Revision: "s",
			Ref:      model.Ref{Name: fmt.Sprintf("v-sentinel-%d", i), UID: fmt.Sprintf("s-uid-%d", i), Address: fmt.Sprintf("10.0.1.%d:26379", i)},
			Answered: true, Version: "9.1.2", ID: fmt.Sprintf("id-%d", i), Watch: w})
	}
	snap.Sentinels = set
	for i := range snap.Shards[0].Nodes {
		if n := &snap.Shards[0].Nodes[i]; n.Server.Role == model.RoleReplica {
			n.Server.Priority = model.UsualPriority
		}
	}
	return snap
}

// with changes the Sentinels.
func with(snap model.Snapshot, change func(set *model.SentinelSet)) model.Snapshot {
	change(&snap.Sentinels)
	return snap
}

// unheard are Sentinels that the primary they name has not answered for longer than its
// process has run.
func unheard(which ...int) func(*model.SentinelSet) {
	return func(set *model.SentinelSet) {
		for _, i := range which {
			set.Nodes[i].Watch.SilentFor = 1500 * time.Millisecond
		}
	}
}

// stopped: all nodes have stopped and booted again a second ago, with what they held.
func stopped(s *model.Shard) {
	for i := range s.Nodes {
		rebooted(&s.Nodes[i])
		srv := &s.Nodes[i].Server
		srv.ReplID, srv.Offset, srv.Keys, srv.Uptime = "h1", 1000, 10, time.Second
	}
}

// each changes every Sentinel.
func each(change func(n *model.SentinelNode)) func(*model.SentinelSet) {
	return func(set *model.SentinelSet) {
		for i := range set.Nodes {
			change(&set.Nodes[i])
		}
	}
}

// remember makes every Sentinel remember another one that is no more.
func remember(id string) func(*model.SentinelSet) {
	return each(func(n *model.SentinelNode) {
		n.Watch.Others = append(n.Watch.Others, model.WatchedSentinel{ID: id, Down: true})
	})
}

func silentSentinel(n *model.SentinelNode) { n.Answered, n.Watch = false, nil }

func gonePod(n *model.SentinelNode) {
	*n = model.SentinelNode{Ordinal: n.Ordinal, Ref: model.Ref{Name: n.Name}, Dead: true}
}

// took is a shard whose role has moved to v-1.
func took(snap model.Snapshot) model.Snapshot {
	s := &snap.Shards[0]
	s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows, s.Nodes[1].Server.LinkUp = model.RolePrimary, "", false
	s.Nodes[1].Server.Acked = map[string]int64{addr(0): 1000, addr(2): 1000}
	s.Nodes[0].Server.Role, s.Nodes[0].Server.Follows, s.Nodes[0].Server.LinkUp = model.RoleReplica, addr(1), true
	s.Nodes[0].Server.Acked, s.Nodes[0].Server.Priority = nil, model.UsualPriority
	s.Nodes[2].Server.Follows = addr(1)
	return snap
}

func TestSentinelsAreTold(t *testing.T) {
	run(t, []incident{
		{name: "nothing is due", given: watched(healthy())},
		{name: "one that has lost its state watches the primary again", given: with(watched(healthy()), func(s *model.SentinelSet) { s.Nodes[1].Watch = nil }),
			step: "let v-sentinel-1 watch v-0 (it watches nobody)"},
		{name: "one that names another, and hears of it, is left alone", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[1].Watch.Primary, s.Nodes[1].Watch.Epoch = addr(1), 3
		}), hold: model.SentinelsDisagree, of: "v-sentinel-1"},
		{name: "one that does not believe it is told", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[1].Watch.Primary, s.Nodes[1].Watch.Epoch = addr(1), 9
		}), step: "let v-sentinel-1 watch v-0 (it names another one, and nobody tells it)"},
		{name: "nor is one, while so many are silent that they may have elected another", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[0].Watch.Primary, s.Nodes[0].Watch.Epoch = "v-3:6379", 9
			silentSentinel(&s.Nodes[1])
			silentSentinel(&s.Nodes[2])
		}), hold: model.SentinelsDisagree, of: "v-sentinel-0"},
		{name: "all of them are told when the role has moved without them", given: watched(took(watched(healthy()))),
			change: func(s *model.Shard) {
				s.Traffic.Primary, s.Traffic.Replicas = addr(1), []string{addr(0), addr(2)}
				s.Nodes[0].RoleLabel, s.Nodes[1].RoleLabel = model.RoleReplica, model.RolePrimary
			}, step: "let v-sentinel-0 watch v-1 (it names another one, and nobody tells it)"},
		{name: "nobody before the Service leads there: one that cannot be told would keep it from that", given: with(watched(healthy()), func(s *model.SentinelSet) { s.Nodes[1].Watch = nil }),
			change: func(s *model.Shard) { s.Traffic.Primary = addr(1) }, step: "publish primary v-0, replicas [v-1 v-2]"},
		{name: "nor before every replica follows", given: with(watched(healthy()), func(s *model.SentinelSet) { s.Nodes[1].Watch = nil }),
			change: func(s *model.Shard) { s.Nodes[2].Server.Follows = addr(1) }, step: "let v-2 follow v-0 (it follows somebody else)"},
		{name: "but before nodes become fewer, which they have to agree to", given: with(watched(healthy()), func(s *model.SentinelSet) { s.Nodes[1].Watch = nil }),
			change: func(s *model.Shard) {
				s.Size = 4
				s.Nodes = append(s.Nodes, model.Node{Ordinal: 3, Ref: model.Ref{Name: "v-3"}})
			},
			step: "let v-sentinel-1 watch v-0 (it watches nobody)"},
		{name: "and when whom they name has vanished", given: with(watched(healthy()), each(func(n *model.SentinelNode) { n.Watch.Primary = "10.9.9.9:6379" })),
			step: "let v-sentinel-0 watch v-0 (it names another one, and nobody tells it)"},
		{name: "nobody is told anything during a failover", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[1].Watch, s.Nodes[2].Watch.FailingOver, s.Nodes[2].Watch.Coordinated = nil, true, true
		})},
		{name: "nobody is told of a primary that others do not take for one", given: with(watched(healthy()), each(func(n *model.SentinelNode) { n.Watch.Primary = addr(1) })),
			change: func(s *model.Shard) { s.Nodes[1].Server = model.Server{} },
			hold:   model.SentinelsDisagree, of: "v-0"},
		{name: "a change of how they watch reaches each", given: with(watched(healthy()), func(s *model.SentinelSet) { s.Settings.DownAfter = time.Second }),
			step: "tell v-sentinel-0 how to watch"},
		{name: "a replica in service may be promoted", given: watched(healthy()), change: func(s *model.Shard) { s.Nodes[2].Server.Priority = 0 },
			step: "give v-2 the replica-priority 100 (its copy is in step with the primary's)"},
		{name: "one that is to leave may not", given: watched(healthy()), change: func(s *model.Shard) { s.Nodes[2].Ordinal = 3 },
			step: "give v-2 the replica-priority 0 (it is not to take over)"},
		{name: "what is no more is forgotten, one Sentinel at a time", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[1].Watch.Replicas = append(s.Nodes[1].Watch.Replicas, model.WatchedReplica{Address: "v-3:6379", Down: true})
			s.Nodes[2].Watch.Others = append(s.Nodes[2].Watch.Others, model.WatchedSentinel{ID: "id-7", Down: true})
		}), step: "reset v-sentinel-1 (replica v-3:6379 is no more)"},
		{name: "not while another one has yet to find the others again", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[0].Watch.Others = s.Nodes[0].Watch.Others[:1]
			s.Nodes[2].Watch.Others = append(s.Nodes[2].Watch.Others, model.WatchedSentinel{ID: "id-7", Down: true})
		})},
		{name: "nor while a node that they know may come back", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[2].Watch.Others = append(s.Nodes[2].Watch.Others, model.WatchedSentinel{ID: "id-7", Down: true})
		}), change: func(s *model.Shard) { absent(&s.Nodes[2]) }, step: "publish primary v-0, replicas [v-1]"},
	})
}

func TestSentinelsRollOneAtATime(t *testing.T) {
	newer := func(set *model.SentinelSet) { set.Revision = "s2" }
	earlier := func(set *model.SentinelSet) { set.Revision, set.Version = "s2", "8.1" }
	second := func(set *model.SentinelSet) {
		newer(set)
		set.Nodes[2].Revision = "s2"
	}
	later := func(set *model.SentinelSet) {
		set.Revision, set.Version = "s2", "9.1"
		each(func(n *model.SentinelNode) { n.Version = "8.1.1" })(set)
	}
	run(t, []incident{
		{name: "a roll of Sentinels alone touches no data node", given: with(watched(healthy()), newer),
			step: "restart v-sentinel-2 (it runs an older revision)"},
		{name: "before the data nodes when their version rises", given: with(watched(rolling()), later),
			step: "restart v-sentinel-2 (it runs an older revision)"},
		{name: "after them otherwise", given: with(watched(rolling()), earlier), step: "drain v-2"},
		{name: "the next once the one before is back in agreement", given: with(watched(healthy()), second),
			step: "restart v-sentinel-1 (it runs an older revision)"},
		{name: "not while it watches nobody", given: with(with(watched(healthy()), second), func(s *model.SentinelSet) { s.Nodes[2].Watch = nil }),
			step: "let v-sentinel-2 watch v-0 (it watches nobody)"},
		{name: "nor while it does not know all others", given: with(with(watched(healthy()), second), func(s *model.SentinelSet) { s.Nodes[2].Watch.Others = nil }),
			hold: model.SentinelsDisagree, of: "v-sentinel-2"},
		{name: "nor while it is known from before, and not reached yet", given: with(with(watched(healthy()), second), func(s *model.SentinelSet) { s.Nodes[0].Watch.Others[1].Down = true }),
			hold: model.SentinelsDisagree, of: "v-sentinel-0"},
		{name: "nor while it is silent, at an address that has vanished", given: with(with(watched(healthy()), second), func(s *model.SentinelSet) { s.Nodes[0].Watch.Others[1].SilentFor = 3 * time.Second }),
			hold: model.SentinelsDisagree, of: "v-sentinel-0"},
		{name: "nor while it is being replaced", given: with(watched(healthy()), func(s *model.SentinelSet) {
			newer(s)
			s.Nodes[2].Phase = model.PodTerminating
		}), hold: model.PodStarting, of: "v-sentinel-2"},
		{name: "nor while it is not Ready", given: with(with(watched(healthy()), second), func(s *model.SentinelSet) { s.Nodes[2].Ready = false }),
			hold: model.PodStarting, of: "v-sentinel-2"},
		{name: "nor while one that has ended is not replaced", given: with(with(watched(healthy()), second), func(s *model.SentinelSet) { gonePod(&s.Nodes[0]) }),
			hold: model.PodStarting, of: "v-sentinel-0"},
		{name: "one that does not run goes first, whatever else is wrong", given: with(watched(lost()), func(s *model.SentinelSet) {
			newer(s)
			silentSentinel(&s.Nodes[1])
			s.Nodes[1].Dead = true
		}), step: "restart v-sentinel-1 (it does not run, and its revision is superseded)"},
		{name: "no data node is rolled before the Sentinels' newest template is known", given: with(watched(rolling()), func(s *model.SentinelSet) { s.Revision = "" }),
			hold: model.RevisionUnknown, of: "v-sentinel"},
		{name: "more of them come at once", given: with(watched(healthy()), func(s *model.SentinelSet) { s.Wanted = 5 }), step: "scale from 3 to 5 Sentinels"},
		{name: "nor while those that are left would not be a majority of those that are remembered", given: with(with(watched(healthy()), newer), remember("id-7")),
			change: func(s *model.Shard) { absent(&s.Nodes[2]); s.Traffic.Replicas = s.Traffic.Replicas[:1] }, hold: model.QuorumLost, of: "v-sentinel-0"},
		{name: "one that is no more is forgotten before the next goes", given: with(with(watched(healthy()), func(s *model.SentinelSet) { s.Wanted = 1 }), remember("id-7")),
			step: "reset v-sentinel-0 (Sentinel id-7 is no more)"},
		{name: "fewer go one at a time", given: with(watched(healthy()), func(s *model.SentinelSet) { s.Wanted = 1 }), step: "scale from 3 to 2 Sentinels"},
	})
}

func TestNothingIsTouchedWhileSentinelsAreNotOfOneMind(t *testing.T) {
	run(t, []incident{
		{name: "a handover with all of them", given: watched(almost()), step: "hand over v-0 to v-1"},
		{name: "and with a quorum of them", given: with(watched(almost()), func(s *model.SentinelSet) { silentSentinel(&s.Nodes[1]) }), step: "hand over v-0 to v-1"},
		{name: "not with fewer", given: with(watched(almost()), func(s *model.SentinelSet) {
			silentSentinel(&s.Nodes[1])
			silentSentinel(&s.Nodes[2])
		}), hold: model.QuorumLost},
		{name: "not while one does not reach the primary", given: with(watched(almost()), func(s *model.SentinelSet) { s.Nodes[1].Watch.Down = true }),
			hold: model.SentinelsDisagree, of: "v-sentinel-1"},
		{name: "not while one sees no quorum", given: with(watched(almost()), func(s *model.SentinelSet) { s.Nodes[1].Watch.NoQuorum = "NOQUORUM 1 usable" }),
			hold: model.QuorumLost, of: "v-sentinel-1"},
		{name: "not while one fails over", given: with(watched(almost()), func(s *model.SentinelSet) {
			s.Nodes[1].Watch.FailingOver, s.Nodes[1].Watch.Coordinated = true, true
		}),
			hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "not in TILT mode", given: with(watched(almost()), func(s *model.SentinelSet) { s.Nodes[1].Tilt = true }),
			hold: model.SentinelsDisagree, of: "v-sentinel-1"},
		{name: "not to one that they do not know", given: with(watched(almost()), func(s *model.SentinelSet) { s.Nodes[1].Watch.Replicas = s.Nodes[1].Watch.Replicas[1:] }),
			hold: model.SentinelsDisagree, of: "v-sentinel-1"},
		{name: "nor to one that they do not reach", given: with(watched(almost()), func(s *model.SentinelSet) { s.Nodes[1].Watch.Replicas[0].Down = true }),
			hold: model.NoGoodReplica, of: "v-1"},
		{name: "nor to one whose priority they have not seen", given: with(watched(almost()), func(s *model.SentinelSet) { s.Nodes[1].Watch.Replicas[0].Priority = 0 }),
			hold: model.NoGoodReplica, of: "v-1"},
		{name: "no replica is restarted while they do not agree", given: with(watched(rolling()), func(s *model.SentinelSet) { s.Nodes[1].Watch.Down = true }),
			hold: model.SentinelsDisagree, of: "v-sentinel-1"},
	})
}

// A pod that was deleted by force may leave its process behind for a moment. Whoever is
// promoted meanwhile lacks what that one acknowledges.
func TestNobodyIsPromotedWhileAPrimaryWhosePodIsGoneIsHeard(t *testing.T) {
	named := func(up bool) func(s *model.Shard) {
		return func(s *model.Shard) {
			absent(&s.Nodes[0])
			for i := 1; i < 3; i++ {
				s.Nodes[i].Server.Follows, s.Nodes[i].Server.LinkUp = "v-0.v-nodes.ns.svc.cluster.local:6379", up
			}
		}
	}
	gone := func() model.Snapshot {
		return with(watched(lost()), func(set *model.SentinelSet) {
			each(func(n *model.SentinelNode) {
				n.Watch.Primary, n.Watch.Down = "v-0.v-nodes.ns.svc.cluster.local:6379", true
			})(set)
		})
	}
	run(t, []incident{
		{name: "a replica hears from it", given: gone(), change: named(true), hold: model.PrimaryNotVisible, of: "v-1"},
		{name: "none does any more", given: gone(), change: named(false),
			step: "promote v-1 (the primary is gone, and this replica has the most of its history)"},
		{name: "a link over which nothing has been heard for long says nothing", given: gone(), change: func(s *model.Shard) {
			named(true)(s)
			for i := 1; i < 3; i++ {
				s.Nodes[i].Server.LastIO = time.Minute
			}
		}, step: "promote v-1 (the primary is gone, and this replica has the most of its history)"},
	})
}

// joined is a shard whose primary has ended just after v-2 had joined it: no Sentinel knows
// that one, which holds more than v-1, and they have seen that v-1 is ranked out.
func joined() model.Snapshot {
	snap := with(watched(lost()), each(func(n *model.SentinelNode) {
		n.Watch.Down = true
		n.Watch.Replicas = []model.WatchedReplica{{Address: addr(1)}}
	}))
	snap.Shards[0].Nodes[1].Server.Priority, snap.Shards[0].Nodes[2].Server.Offset = 0, 1001
	return snap
}

func TestTheQuorumPromotes(t *testing.T) {
	naming := func(address string) func(*model.SentinelSet) {
		return each(func(n *model.SentinelNode) { n.Watch.Primary, n.Watch.Down = address, true })
	}
	run(t, []incident{
		{name: "it is asked when the primary is gone", given: with(watched(lost()), naming(addr(0))),
			step: "promote v-1 (the primary is gone, and this replica has the most of its history)"},
		{name: "and left alone when it has begun", given: with(watched(lost()), func(s *model.SentinelSet) { s.Nodes[1].Watch.FailingOver = true }),
			hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "nobody is promoted while it may be at it", given: with(watched(lost()), func(s *model.SentinelSet) {
			silentSentinel(&s.Nodes[1])
			silentSentinel(&s.Nodes[2])
		}), hold: model.QuorumLost},
		{name: "nobody while they reach a primary that is silent to us, and was not put into service yet", given: watched(lost()), change: func(s *model.Shard) {
			n := &s.Nodes[0]
			n.Dead, n.Ready, n.InService, n.Admitted, s.Traffic.Primary = false, false, false, false, ""
		}, hold: model.PrimaryNotVisible, of: "v-0"},
		{name: "whom they name after a full stop is promoted", given: with(watched(lost()), naming(addr(0))), change: stopped, step: "promote v-0 (it holds the most of the newest known history, and the Sentinels name it)"},
		{name: "but not before enough of them have heard from its new process", given: with(with(watched(lost()), naming(addr(0))), unheard(0, 1)), change: stopped, hold: model.SentinelsDisagree, of: "v-0"},
		{name: "one alone may be late: it promotes nobody", given: with(with(watched(lost()), naming(addr(0))), unheard(0)), change: stopped, step: "promote v-0 (it holds the most of the newest known history, and the Sentinels name it)"},
		{name: "nobody while they are about to hear of another one", given: with(watched(lost()), func(s *model.SentinelSet) {
			naming(addr(1))(s)
			s.Nodes[0].Watch.Primary, s.Nodes[0].Watch.Epoch = "v-3:6379", 5
		}), hold: model.SentinelsDisagree},
		{name: "a node that holds more than whom they name is ranked first", given: with(watched(lost()), naming(addr(0))), change: func(s *model.Shard) {
			for i := range s.Nodes {
				rebooted(&s.Nodes[i])
				s.Nodes[i].Server.ReplID, s.Nodes[i].Server.Offset, s.Nodes[i].Server.Keys = "h1", 1000, 10
				s.Nodes[i].Server.Priority = 0
			}
			s.Nodes[2].Server.Offset = 2000
		}, step: "give v-2 the replica-priority 100 (it is to be promoted)"},
		{name: "a replica that holds less is ranked out: they may not have seen yet who holds what", given: with(watched(lost()), naming(addr(0))),
			change: func(s *model.Shard) { s.Nodes[2].Server.Offset = 1001 }, step: "give v-1 the replica-priority 0 (v-2 is to be promoted)"},
		{name: "nobody knows the one that holds the most: first whom they know is ranked out", given: joined(), change: ranked(1, model.UsualPriority),
			step: "give v-1 the replica-priority 0 (v-2 is to be promoted)"},
		{name: "and they have to see that", given: with(joined(), seenAs(1, model.UsualPriority)), hold: model.NoGoodReplica, of: "v-1"},
		{name: "then the operator promotes it, since they never could", given: joined(),
			step: "promote v-2 (the primary is gone, and this replica has the most of its history, and the Sentinels know nobody whom they could promote)"},
		{name: "not while one of them is silent, which may promote the other", given: with(joined(), func(s *model.SentinelSet) { silentSentinel(&s.Nodes[1]) }),
			hold: model.QuorumLost, of: "v-2"},
		{name: "nor while they may choose one that does not answer us", given: with(joined(), seenAs(1, model.UsualPriority)), change: at(1, func(n *model.Node) {
			n.Server, n.InService, n.Admitted = model.Server{}, false, false
		}), step: "promote v-2 (the primary is gone, and this replica has the most of its history)"},
		{name: "one that knows it is asked", given: with(joined(), func(s *model.SentinelSet) {
			s.Nodes[2].Watch.Replicas = append(s.Nodes[2].Watch.Replicas, model.WatchedReplica{Address: addr(2), Priority: model.UsualPriority})
		}), step: "promote v-2 (the primary is gone, and this replica has the most of its history)"},
		{name: "Sentinels that lost their state have no say", given: with(watched(lost()), each(func(n *model.SentinelNode) { n.Watch = nil })),
			step: "promote v-1 (the primary is gone, and this replica has the most of its history)"},
		{name: "of two primaries the one that they name stays", given: watched(healthy()), change: func(s *model.Shard) {
			s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, ""
		}, step: "let v-1 follow v-0 (a second primary; the Sentinels name v-0)", hold: model.TwoPrimaries},
		{name: "also if the Service leads to the other", given: with(watched(healthy()), each(func(n *model.SentinelNode) { n.Watch.Primary = addr(1) })),
			change: func(s *model.Shard) { s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, "" },
			step:   "let v-0 follow v-1 (a second primary; the Sentinels name v-1)", hold: model.TwoPrimaries},
		{name: "neither while one fails over: it may be about to name the other", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[1].Watch.FailingOver, s.Nodes[1].Watch.Coordinated = true, true
		}),
			change: func(s *model.Shard) { s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, "" },
			hold:   model.SentinelFailover, of: "v-sentinel-1"},
		{name: "neither while one is silent, and may be failing over", given: with(watched(healthy()), func(s *model.SentinelSet) { silentSentinel(&s.Nodes[1]) }),
			change: func(s *model.Shard) { s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, "" },
			hold:   model.TwoPrimaries},
		{name: "but if the one that the others name has continued the history of the other, that one is the older", given: with(watched(healthy()), func(s *model.SentinelSet) {
			each(func(n *model.SentinelNode) { n.Watch.Primary = addr(1) })(s)
			silentSentinel(&s.Nodes[2])
		}), change: func(s *model.Shard) {
			s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, ""
			s.Nodes[1].Server.ReplID, s.Nodes[1].Server.ReplID2 = "h2", s.Nodes[0].Server.ReplID
		}, step: "let v-0 follow v-1 (a second primary; the Sentinels name v-1)", hold: model.TwoPrimaries},
		{name: "that one follows, and not a third one of which this is not known", given: with(watched(healthy()), func(s *model.SentinelSet) {
			each(func(n *model.SentinelNode) { n.Watch.Primary = addr(1) })(s)
			silentSentinel(&s.Nodes[2])
		}), change: func(s *model.Shard) {
			for i := 1; i < 3; i++ {
				s.Nodes[i].Server.Role, s.Nodes[i].Server.Follows = model.RolePrimary, ""
			}
			s.Nodes[0].Server.ReplID, s.Nodes[1].Server.ReplID, s.Nodes[1].Server.ReplID2 = "h3", "h2", "h1"
			s.Nodes[2].Server.ReplID = "h1"
		}, step: "let v-2 follow v-1 (a second primary; the Sentinels name v-1)", hold: model.TwoPrimaries},
		{name: "and not if it is the other way round: the silent one may have promoted it", given: with(watched(healthy()), func(s *model.SentinelSet) { silentSentinel(&s.Nodes[2]) }),
			change: func(s *model.Shard) {
				s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, ""
				s.Nodes[1].Server.ReplID, s.Nodes[1].Server.ReplID2 = "h2", s.Nodes[0].Server.ReplID
			}, hold: model.TwoPrimaries},
		{name: "nor while none of them answers, wherever the Service leads", given: with(watched(healthy()), each(silentSentinel)),
			change: func(s *model.Shard) { s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, "" },
			hold:   model.TwoPrimaries},
		{name: "the one that the Service leads to if they have lost their state", given: with(watched(healthy()), each(func(n *model.SentinelNode) { n.Watch = nil })),
			change: func(s *model.Shard) { s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, "" },
			step:   "let v-1 follow v-0 (a second primary; clients are served by v-0)", hold: model.TwoPrimaries},
		{name: "neither while they do not agree", given: with(watched(healthy()), func(s *model.SentinelSet) {
			s.Nodes[0].Watch.Primary, s.Nodes[1].Watch.Primary = addr(2), addr(1)
		}), change: func(s *model.Shard) { s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, "" },
			hold: model.TwoPrimaries},
		{name: "the Service follows them", given: with(watched(took(watched(healthy()))), each(func(n *model.SentinelNode) {
			n.Watch.Primary = addr(1)
			n.Watch.Replicas[0].Address = addr(0)
		})), step: "publish primary v-1, replicas [v-0 v-2]"},
	})
}
