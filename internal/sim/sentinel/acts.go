package sentinel

import "github.com/valkeeper/valkeeper/internal/model"

// promote is REPLICAOF NO ONE, or SENTINEL FAILOVER at the first Sentinel that answers.
func (a *act) promote(step model.Promote) {
	i := index(step.Node)
	if step.Means == model.BySentinel {
		a.askSentinel(step.Node)
		return
	}
	if !a.reachable(i) {
		a.done("not done")
		return
	}
	a.checkPromote(&a.s, int(i))
	a.s.becomePrimary(int(i))
	a.done("promoted")
}

func (a *act) askSentinel(node model.Ref) {
	asked, ok := a.world.View(&a.s).Sentinels.Asked(node.Address)
	if !ok {
		a.done("no Sentinel answers")
		return
	}
	k := index(asked.Ref)
	switch {
	case a.s.fo.kind != foNone && a.s.fo.by == k:
		a.done("it fails over already")
	case len(a.s.candidates(int(k))) == 0:
		a.done("it sees no replica that it could promote")
	default:
		a.checkAsk(&a.s, k)
		kind := foAsked
		if a.s.s[k].down && len(a.s.primaries()) > 0 {
			kind = foOwn // they would do it anyway
		}
		a.s.begin(kind, int(k))
		a.done("asked")
	}
}

func (a *act) follow(step model.Follow) {
	i, p := index(step.Node), index(step.Primary)
	n := &a.s.n[i]
	if !a.reachable(i) || n.fail != failNone {
		a.done("not done")
		return
	}
	a.s.disown(int(i), p)
	a.checkFollow(&a.s, int(i), int(p))
	a.s.point(int(i), p)
	a.done("told to follow")
}

// publish moves the Services, then writes labels and gates.
func (a *act) publish(step model.Publish) {
	s := &a.s
	if s.op.part == 0 {
		s.slice, s.reads = index(step.Primary), 0
		if a.goneNode(s.slice) {
			s.slice = gone
		}
		for _, r := range step.Replicas {
			if !a.goneNode(index(r)) {
				s.reads |= 1 << index(r)
			}
		}
		a.part("Services")
		return
	}
	for _, p := range step.Nodes {
		i := index(p.Node)
		n := &s.n[i]
		if a.goneNode(i) || n.phase == absent {
			continue
		}
		if p.Role != model.RoleUnknown {
			n.labeled = p.Role == model.RolePrimary
		}
		if p.EndDrain {
			n.drain = drainNo
		}
		n.gate = gateOut
		if p.InService {
			n.gate = gateIn
		}
	}
	a.done("labels and gates")
}

func (a *act) scale(step model.Scale) {
	if int(a.s.size) != step.From {
		a.done("not done")
		return
	}
	if step.To < step.From {
		a.checkTakeDown(&a.s, step.To, true)
	}
	a.s.size = uint8(step.To)
	a.done("scaled")
}

func (a *act) drain(step model.Drain) {
	i := index(step.Node)
	n := &a.s.n[i]
	switch {
	case a.goneNode(i) || n.phase == absent:
		a.done("not done")
	case step.Start:
		if n.drain == drainNo {
			n.drain = drainBegun
		}
		a.done("marked")
	case !a.reachable(i):
		a.done("not done")
	default:
		n.clients = false
		a.done("clients sent away")
	}
}

// restart is the eviction; the moment between the last look and it is in package sim.
func (a *act) restart(step model.Restart) {
	i := int(index(step.Node))
	if step.Node.Name[0] == 's' {
		t := &a.s.s[i]
		if a.goneSentinel(i) || t.phase != running {
			a.done("not done")
			return
		}
		a.checkTakeSentinel(&a.s, i, "restarted")
		t.phase, t.up = terminating, false
		a.done("evicted")
		return
	}
	n := &a.s.n[i]
	if a.goneNode(uint8(i)) || n.phase != running {
		a.done("not done")
		return
	}
	a.checkTakeDown(&a.s, i, false)
	n.phase = terminating
	a.done("evicted")
}

// watchPrimary is MONITOR and SET, or a hello, or REMOVE, MONITOR and SET.
func (a *act) watchPrimary(step model.WatchPrimary) {
	k, p := int(index(step.Sentinel)), index(step.Primary)
	t := &a.s.s[k]
	if !a.s.answers(k) || a.goneSentinel(k) {
		a.done("not done")
		return
	}
	if a.s.op.part == 0 {
		a.checkWatch(&a.s, k, int(p))
	}
	busy := a.s.fo.kind != foNone && a.s.fo.by == uint8(k)
	switch {
	case step.Instead != "" && busy:
		a.done("it fails over")
	case step.Instead != "" && !a.world.NoHello:
		a.s.name(k, p, a.s.knownEpoch(k))
		a.done("told")
	case step.Instead != "" && a.s.op.part == 0:
		*t = sentinel{phase: t.phase, stale: t.stale, up: true, watch: nobody}
		a.part("removed")
	case t.watch == nobody:
		t.watch, t.epoch, t.unset = p, 0, true
		a.part("monitors")
	default:
		t.unset = false
		a.done("told how to watch")
	}
}

func (a *act) setWatch(step model.SetWatch) {
	k := int(index(step.Sentinel))
	if !a.s.answers(k) || a.goneSentinel(k) {
		a.done("not done")
		return
	}
	a.s.s[k].unset = false
	a.done("told how to watch")
}

func (a *act) resetWatch(step model.ResetWatch) {
	k := int(index(step.Sentinel))
	t := &a.s.s[k]
	if !a.s.answers(k) || a.goneSentinel(k) || t.watch == nobody {
		a.done("not done")
		return
	}
	a.checkTakeSentinel(&a.s, k, "reset")
	a.checkForget(&a.s, k)
	t.knows, t.ranked, t.late, t.others, t.away = 0, 0, 0, 0, 0
	if a.s.fo.by == uint8(k) {
		a.s.fo = failover{}
	}
	a.done("reset")
}

func (a *act) rank(step model.Rank) {
	i := index(step.Node)
	if !a.reachable(i) {
		a.done("not done")
		return
	}
	a.checkRank(&a.s, int(i), step.Priority)
	n := &a.s.n[i]
	n.zero, n.late, n.vouched = step.Priority == 0, step.Priority == model.LastPriority, step.Priority > 0
	a.done("ranked")
}

func (a *act) pauseWrites(step model.PauseWrites) {
	i := index(step.Node)
	if !a.reachable(i) {
		a.done("not done")
		return
	}
	a.s.n[i].paused = true
	a.done("holds back writes")
}

func (a *act) scaleSentinels(step model.ScaleSentinels) {
	if int(a.s.sentinels) != step.From {
		a.done("not done")
		return
	}
	if step.To < step.From {
		a.checkTakeSentinel(&a.s, step.To, "taken away")
	}
	a.s.sentinels = uint8(step.To)
	a.done("scaled")
}
