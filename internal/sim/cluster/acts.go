package cluster

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// promote is CLUSTER FAILOVER FORCE, which asks for votes, or TAKEOVER, which does
// not.
func (a *act) promote(step model.Promote) {
	i := index(step.Node)
	n := &a.s.n[i]
	switch {
	case !a.reachable(i) || n.proc != up || n.primary:
		a.done("refused")
		return
	case step.Means == model.ByElection && !a.s.elects(i):
		a.done("not elected")
		return
	case step.Means == model.ByTakeover:
		a.checkTakeover(&a.s, i)
	}
	a.checkPromote(&a.s, i)
	a.s.win(i)
	a.done("promoted")
}

// follow is CLUSTER REPLICATE.
func (a *act) follow(step model.Follow) {
	i, p := index(step.Node), index(step.Primary)
	n := &a.s.n[i]
	if !a.reachable(i) || n.proc != up || a.s.owned(i) != 0 || n.part != a.s.n[p].part || !a.s.n[p].primary {
		a.done("refused")
		return
	}
	a.checkFollow(&a.s, i, p)
	n.primary, n.follows, n.linked, n.fit = false, id(p), false, false
	a.done("told to follow")
}

// publish writes drain marks and gates. Gates are what budgets and readiness go by.
func (a *act) publish(step model.Publish) {
	for _, p := range step.Nodes {
		i := index(p.Node)
		n := &a.s.n[i]
		if a.gone(i) || n.phase == absent || n.phase == forgotten {
			continue
		}
		if p.EndDrain {
			n.drain = drainNo
		}
		n.gate = gateOut
		if p.InService {
			n.gate, n.ours = gateIn, false
		}
	}
	a.done("written")
}

func (a *act) scale(step model.Scale) {
	one := &a.s.k[a.k]
	if int(one.size) != step.From {
		a.done("refused")
		return
	}
	for o := step.To; o < step.From; o++ {
		a.checkTakeAway(&a.s, nodesOf[a.k][o])
	}
	if step.To > a.world.size() {
		a.checkSurge(&a.s, a.k)
	}
	one.size = uint8(step.To) //nolint:gosec // three at most
	a.done("scaled")
}

func (a *act) drain(step model.Drain) {
	i := index(step.Node)
	n := &a.s.n[i]
	if a.gone(i) || n.phase == absent || n.phase == forgotten || !step.Start {
		a.done("nothing to do")
		return
	}
	a.checkBegins(&a.s, i)
	if n.drain == drainNo {
		n.drain = drainBegun
	}
	a.done("marked")
}

// restart evicts the pod. What somebody else does between the last look and the
// eviction is the other worlds' (package sim).
func (a *act) restart(step model.Restart) {
	i := index(step.Node)
	n := &a.s.n[i]
	switch {
	case n.phase != running:
		a.done("it is gone already")
		return
	case a.s.ready(i) && a.s.another(i, func(j int) bool { return a.s.stays(j) && !a.s.ready(j) }):
		a.done("refused by the budget")
		return
	}
	a.checkTakeDown(&a.s, i)
	n.phase, n.ours = terminating, true
	a.done("evicted")
}

// another: something is true of another node of the same shard.
func (s *State) another(i int, is func(j int) bool) bool {
	return slices.ContainsFunc(nodesOf[shardOf(i)], func(j int) bool { return j != i && is(j) })
}

// handover is CLUSTER FAILOVER, the wait for it, and its proof. Shards take turns.
func (a *act) handover(step model.Handover) {
	from, to := index(step.From), index(step.To)
	old, target := &a.s.n[from], &a.s.n[to]
	one := &a.s.k[a.k]
	switch a.op().part {
	case 0:
		a.request(from, to)
	case 1:
		switch {
		case a.reachable(to) && target.proc == up && target.primary:
			a.part("the target is primary")
		case !a.reachable(to), !a.reachable(from), old.fail != uint8(to)+1:
			one.attempt = explore.AttemptFailed
			a.done("given up")
		}
	default:
		if !a.s.proved(from, to) {
			one.attempt = explore.AttemptFailed
			a.done("not proved in time")
			return
		}
		one.attempt = explore.AttemptNone
		a.done("proved")
	}
}

func (a *act) request(from, to int) {
	for k := range a.s.k {
		if op := a.s.k[k].op; k != a.k && op.part > 0 {
			if _, hands := a.world.book.Step(op.step).(model.Handover); hands {
				a.done("another shard hands over")
				return
			}
		}
	}
	if !a.same() || !a.reachable(from) || !a.reachable(to) {
		a.done("out of date")
		return
	}
	if !a.world.Mutant.Unsound && !a.sound(from, to) {
		a.done("the servers are not ready for it")
		return
	}
	a.checkHandover(&a.s, from, to)
	old, target := &a.s.n[from], &a.s.n[to]
	if old.fail != 0 || !old.primary || target.primary || target.follows != id(from) || !target.linked {
		a.done("refused")
		return
	}
	old.fail = uint8(to) + 1
	a.part("asked for")
}

// sound: both servers, and every primary that answers, see the shard as it is and the
// cluster in order.
func (a *act) sound(from, to int) bool {
	s := &a.s
	for v := range a.world.nodes() {
		asked := v == from || v == to || (s.owned(v) != 0 && !s.n[v].unseen())
		agrees := s.ok(v, a.world.all()) && s.reach(v, from) && s.reach(v, to) && s.n[v].table.of(id(from)) == s.owned(from)
		if asked && !agrees {
			return false
		}
	}
	return true
}

// proved: the old primary follows the target, and a majority of the primaries see
// the target with all that it had.
func (s *State) proved(from, to int) bool {
	return s.attached(from, to) && s.agreed(to)
}

// agreed: a majority of those who own slots know what a primary says it owns.
func (s *State) agreed(p int) bool {
	agree, size := 0, 0
	for v := range s.n {
		if s.owned(v) == 0 || s.superseded(v) {
			continue
		}
		size++
		if s.n[v].table.of(id(p)) == s.owned(p) {
			agree++
		}
	}
	return 2*agree > size
}

// superseded: somebody else has a later claim to what a node says it owns.
func (s *State) superseded(v int) bool {
	for j := range s.n {
		if s.owned(j)&s.owned(v) != 0 && s.n[j].epoch > s.n[v].epoch {
			return true
		}
	}
	return false
}

// meet is CLUSTER MEET.
func (a *act) meet(step model.Meet) {
	via := index(step.Via)
	for _, r := range step.Nodes {
		if i := index(r); a.reachable(i) && a.s.n[i].proc == up && i != via {
			a.s.n[i].meets = uint8(via) + 1
		}
	}
	a.done("greeted")
}

// addSlots is CLUSTER BUMPEPOCH and ADDSLOTS, and before the latter DELSLOTS for what
// only those who failed still own.
func (a *act) addSlots(step model.AddSlots) {
	i := index(step.Node)
	n := &a.s.n[i]
	claim := a.world.groupsOf(step.Slots)
	if !a.reachable(i) || n.proc != up || !n.primary || a.s.busySlots(i, claim, !a.world.Mutant.NoDisown) {
		a.done("refused")
		return
	}
	a.checkAddSlots(&a.s, i, claim)
	n.epoch = max(a.s.top(i)+1, uint8(step.Epoch)) //nolint:gosec // a shard's number
	if step.Epoch > 0 {
		n.epoch = uint8(step.Epoch) //nolint:gosec // a shard's number
	}
	for g := range maxGroups {
		if claim.has(g) {
			n.table = n.table.with(g, id(i))
		}
	}
	a.done("given")
}

// busySlots: in the eyes of i somebody owns one of them, and cannot be disowned.
func (s *State) busySlots(i int, claim groups, disown bool) bool {
	for g := range maxGroups {
		who := s.n[i].table.owner(g)
		if !claim.has(g) || who == nobody {
			continue
		}
		if !disown || who == id(i) || s.serves(i, who) {
			return true
		}
	}
	return false
}

func (a *act) release(step model.Release) {
	i := index(step.Node)
	if !a.reachable(i) || a.s.n[i].proc != held {
		a.done("refused")
		return
	}
	if step.Over != (model.Ref{}) {
		p := index(step.Over)
		if !a.reachable(p) || a.s.n[p].proc != up {
			a.done("refused")
			return
		}
		a.checkFollow(&a.s, i, p)
		if !a.world.Mutant.NoBump {
			a.s.n[p].epoch = a.s.highest() + 1
		}
	} else {
		a.checkRelease(&a.s, i)
	}
	a.released(&a.s, i)
	a.done("let go")
}

// highest is the highest epoch of all: servers tell each other, and those who voted
// for one that died at once know it.
func (s *State) highest() (most uint8) {
	for i := range s.n {
		most = max(most, s.n[i].epoch, s.ghostEpoch[i])
	}
	return most
}

// forget is CLUSTER FORGET, at each of them.
func (a *act) forget(step model.Forget) {
	for _, r := range step.At {
		i := index(r)
		if !a.reachable(i) || a.s.n[i].proc != up {
			continue
		}
		for j := range a.world.nodes() {
			for _, name := range step.IDs {
				switch name {
				case idName(id(j) | ghost):
					a.checkForget(&a.s, i, id(j)|ghost)
					a.s.n[i].ghosts &^= 1 << j
				case idName(id(j)):
					if j != i && a.s.n[i].follows != id(j) {
						a.checkForget(&a.s, i, id(j))
						a.s.n[i].forgot |= 1 << j
					}
				}
			}
		}
	}
	a.done("forgotten")
}

// moveSlots begins an atomic migration.
func (a *act) moveSlots(step model.MoveSlots) {
	from, to := index(step.From), index(step.To)
	n := &a.s.n[from]
	which := a.world.groupsOf(step.Slots)
	if !a.reachable(from) || !a.s.reach(from, to) || a.s.owned(from)&which != which || !a.s.n[to].primary || n.moves != 0 {
		a.done("refused")
		return
	}
	a.checkMove(&a.s, from, to)
	n.moves, n.movesTo, n.moveFailed = which, uint8(to), false
	a.done("begun")
}

func (a *act) cancelMoves(step model.CancelMoves) {
	i := index(step.Node)
	if a.reachable(i) {
		a.s.n[i].moves = 0
	}
	a.done("called off")
}
