package plan_test

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// toldOf has two Sentinels name a node with an epoch, while the one between them fails over
// from v-0 with another epoch.
func toldOf(address string, epoch, failing int64) func(*model.SentinelSet) {
	return func(s *model.SentinelSet) {
		for _, k := range []int{0, 2} {
			s.Nodes[k].Watch.Primary, s.Nodes[k].Watch.Epoch = address, epoch
		}
		w := s.Nodes[1].Watch
		w.FailingOver, w.Epoch = true, failing
		for i := range w.Replicas {
			w.Replicas[i].Chosen = w.Replicas[i].Address == address
		}
	}
}

func TestAPrimaryFromWhichSentinelsFailOverTakesNoWrites(t *testing.T) {
	failing := func(s *model.SentinelSet) { s.Nodes[1].Watch.FailingOver = true }
	paused := func(d time.Duration) func(*model.Shard) {
		return func(s *model.Shard) { s.Nodes[0].Server.PausedFor = d }
	}
	const pause = "hold back the writes of v-0 for 4s (v-sentinel-1 fails over from it)"
	run(t, []incident{
		{name: "it is told to hold them back", given: with(watched(healthy()), failing), step: pause, hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "also when its disk is full, and it would take them again at any time", given: with(watched(healthy()), failing),
			change: func(s *model.Shard) { s.Nodes[0].Server.RefusesWrites = true }, step: pause, hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "and when another one has been promoted", given: with(watched(healthy()), failing), change: func(s *model.Shard) {
			s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, ""
		}, step: pause, hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "until enough others have been told of that one: then it follows, while replicas are still told", given: with(watched(healthy()), toldOf(addr(1), 7, 7)),
			change: func(s *model.Shard) {
				s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, ""
				paused(2 * time.Second)(s)
			},
			step: "let v-0 follow v-1 (a second primary; the Sentinels name v-1)", hold: model.TwoPrimaries},
		{name: "which takes a look in which it must not take writes again", given: with(watched(healthy()), toldOf(addr(1), 7, 7)),
			change: func(s *model.Shard) {
				s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, ""
				paused(1900 * time.Millisecond)(s)
			}, step: pause, hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "not if they name whom somebody else has promoted: this one may be about to choose", given: with(watched(healthy()), toldOf(addr(1), 7, 6)),
			change: func(s *model.Shard) {
				s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows = model.RolePrimary, ""
				paused(time.Hour)(s)
			}, hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "once", given: with(watched(healthy()), failing), change: paused(3800 * time.Millisecond), hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "again before it ends", given: with(watched(healthy()), failing), change: paused(3600 * time.Millisecond), step: pause,
			hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "not from a Sentinel in TILT, which does nothing", given: with(watched(healthy()), func(s *model.SentinelSet) {
			failing(s)
			s.Nodes[1].Tilt = true
		})},
		{name: "nor from one that sees nobody to promote, which gives up", given: with(watched(healthy()), func(s *model.SentinelSet) {
			failing(s)
			s.Nodes[1].Watch.Replicas[0].Priority, s.Nodes[1].Watch.Replicas[1].Down = 0, true
		})},
		{name: "but from one that has chosen, whether it reaches that one or not", given: with(watched(healthy()), func(s *model.SentinelSet) {
			failing(s)
			r := s.Nodes[1].Watch.Replicas
			r[0].Chosen, r[0].Down, r[1].Down = true, true, true
		}), step: pause, hold: model.SentinelFailover, of: "v-sentinel-1"},
		{name: "nor once whom they have promoted has ended: they go on until that one is back", given: with(watched(healthy()), toldOf(addr(1), 7, 7)),
			change: func(s *model.Shard) { absent(&s.Nodes[1]) }, step: "publish primary v-0, replicas [v-2]"},
		{name: "also while too few others are left to name it", given: with(watched(healthy()), func(s *model.SentinelSet) {
			toldOf(addr(1), 7, 7)(s)
			gonePod(&s.Nodes[2])
		}), change: func(s *model.Shard) { absent(&s.Nodes[1]) }, step: "publish primary v-0, replicas [v-2]"},
		{name: "also if the first of two that fail over is about another one", given: with(watched(healthy()), func(s *model.SentinelSet) {
			failing(s)
			s.Nodes[0].Watch.FailingOver, s.Nodes[0].Watch.Primary = true, addr(1)
		}), change: func(s *model.Shard) {
			s.Nodes[1].Server.Role, s.Nodes[1].Server.Follows, s.Nodes[1].Server.PausedFor = model.RolePrimary, "", time.Hour
		}, step: pause, hold: model.SentinelFailover, of: "v-sentinel-0"},
		{name: "not when the Sentinel sees to it", given: with(watched(healthy()), func(s *model.SentinelSet) {
			failing(s)
			s.Nodes[1].Watch.Coordinated = true
		})},
		{name: "nor when it hands over by itself", given: with(watched(healthy()), failing),
			change: func(s *model.Shard) { s.Nodes[0].Server.FailingOver = true }, hold: model.HandoverInProgress, of: "v-0"},
		{name: "nor is the one that has taken over", given: with(watched(took(watched(healthy()))), failing), change: func(s *model.Shard) {
			s.Nodes[0].Server.Role = model.RoleReplica
			s.Traffic.Primary, s.Traffic.Replicas = addr(1), []string{addr(0), addr(2)}
			s.Nodes[0].RoleLabel, s.Nodes[1].RoleLabel = model.RoleReplica, model.RolePrimary
		}},
	})
}
