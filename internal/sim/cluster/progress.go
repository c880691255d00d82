package cluster

import (
	"slices"
	"strings"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Start is the first state.
func (r *run) Start() State { return r.world.Start() }

// Stuck breaks law 11.
func (r *run) Stuck(s *State) {
	r.Violate(11, "no way to completion from here; the plan is to %s, held by %v", r.tell(r.plan(s)), r.plan(s).holds)
}

// tell is a plan in one line.
func (r *run) tell(p planned) string {
	var out []string
	for _, n := range p.steps {
		if n != 0 {
			out = append(out, r.world.book.Step(n).String())
		}
	}
	return strings.Join(out, "; ")
}

// Complete: every slot is served, every node is in service, and the operator has
// nothing to do and nothing to wait for.
func (r *run) Complete(s *State) bool {
	if s.busy() {
		return false
	}
	var served groups
	for i := range r.world.nodes() {
		if !r.inPlace(s, i) {
			return false
		}
		served |= s.accepts(i)
	}
	p := r.plan(s)
	if served != r.world.all() || p.steps != [maxShards]uint16{} || len(p.holds) > 0 {
		return false
	}
	if lost := s.owed &^ s.served(); lost != 0 {
		r.Violate(9, "the cluster is complete, and no primary has acknowledged writes %b", lost)
	}
	return true
}

// served is what the primaries have of the groups that they serve.
func (s *State) served() (all writes) {
	for i := range s.n {
		all |= s.n[i].set.in(s.accepts(i))
	}
	return all
}

func (r *run) inPlace(s *State, i int) bool {
	n := &s.n[i]
	if shardOf(i) >= r.world.wished(s) {
		return n.phase == absent && s.k[shardOf(i)].size == 0
	}
	if ordinalOf(i) >= r.world.size() {
		return n.phase == absent
	}
	p := s.leader(shardOf(i))
	return p >= 0 && !s.n[p].evac && !s.down(i) && !n.stale && n.drain == drainNo && n.fail == 0 && n.moves == 0 && !n.lost &&
		(i == p || s.attached(i, p)) && s.ok(i, r.world.all()) && !s.news(i) && n.ghosts == 0
}

// ForPerson: what only a person decides is decided (personMoves), but for a shard that
// is led by another shard's node.
func (r *run) ForPerson(s *State) bool {
	return slices.ContainsFunc(r.plan(s).holds, func(h model.Hold) bool { return h.Reason == model.ForeignPrimary })
}

// personMoves are what people do when a hold asks them to. What the copy that they
// choose does not have, or was lost, is theirs to answer for.
func (r *run) personMoves(s *State) {
	if s.busy() {
		return
	}
	for _, h := range r.plan(s).holds {
		switch h.Reason {
		case model.HistoryUnknown:
			i := index(model.Ref{Name: h.Node})
			r.node(s, moveChoose, i, func(s *State, _ *node) { r.chosen(s, i) })
		case model.ShardLost:
			next := *s
			next.reassign = true
			r.emit(Move{Kind: moveReassign, Whom: h.Shard}, next)
		default:
		}
	}
}

// chosen is SHUTDOWN NOSAVE on a server that is held back, and CLUSTER FAILOVER
// TAKEOVER on any other (topology's Chosen).
func (r *run) chosen(s *State, i int) {
	n := &s.n[i]
	claim := n.table.of(n.follows)
	if n.primary {
		claim = n.table.of(id(i))
	}
	set := n.set | n.diskSet
	if n.proc == held {
		r.released(s, i)
	} else {
		s.win(i)
	}
	s.owed &^= s.owed.in(claim) &^ set
}
