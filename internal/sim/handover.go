package sim

import "github.com/valkeeper/valkeeper/internal/sim/explore"

// handover is the role's way from one node to another: FAILOVER, traffic,
// clients. What becomes of a FAILOVER is the servers' own affair (servers.go);
// the operator watches, and may die at any moment.
func (r *run) handover(s State) {
	switch s.op.part {
	case 0:
		r.sendFailover(s)
	case 1:
		r.awaitTarget(s)
	default:
		r.sendAway(s)
	}
}

func (r *run) sendFailover(s State) {
	from, to := s.op.a, s.op.b
	if !r.same(&s) || !s.reachable(from) || !s.reachable(to) {
		r.done(s, "not done")
		return
	}
	r.checkHandover(&s, int(from), int(to))
	a, b := &s.n[from], &s.n[to]
	if r.world.Mutant.PromoteFirst {
		s.becomePrimary(int(to))
		r.part(s, "REPLICAOF NO ONE on the target")
		return
	}
	// The server itself refuses what does not fit, and another FAILOVER.
	if a.role != rolePrimary || a.fail != failNone || b.role != roleReplica || b.follows != from || b.link != linkUp {
		s.attempt = explore.AttemptFailed
		r.done(s, "refused by a server")
		return
	}
	a.fail, a.target = failWaiting, to
	r.part(s, "FAILOVER sent")
}

// awaitTarget goes on as soon as the target says that it is primary, and brings
// everything else to an end.
func (r *run) awaitTarget(s State) {
	from, to := s.op.a, s.op.b
	a, b := &s.n[from], &s.n[to]
	hearsA, hearsB := s.reachable(from), s.reachable(to)
	switch {
	case hearsB && b.role == rolePrimary:
		s.slice = to
		s.busy = r.world.Quiet
		r.part(s, "traffic moved")
	case hearsA && a.role == rolePrimary && a.fail == failNone:
		s.attempt = explore.AttemptFailed
		r.done(s, "given up by the server")
	case hearsA && a.fail == failProgress && s.target(a).proc == procDead:
		s.becomePrimary(int(from))
		s.attempt = explore.AttemptFailed
		r.done(s, "aborted")
	case !hearsA || !hearsB || (a.role == roleReplica && a.fail == failNone):
		s.attempt = explore.AttemptFailed
		r.done(s, "unproven")
	}
}

// sendAway makes the clients of the old primary leave, and takes the proof.
func (r *run) sendAway(s State) {
	from, to := s.op.a, s.op.b
	a := &s.n[from]
	if r.world.Mutant.PromoteFirst && s.reachable(from) {
		r.checkFollow(&s, int(from), int(to))
		s.point(int(from), to)
	}
	s.attempt = explore.AttemptFailed
	if s.reachable(from) {
		a.clients = false
		if a.role == roleReplica && a.follows == to && a.fail == failNone && a.link == linkUp {
			s.attempt = explore.AttemptNone
		}
	}
	if s.attempt == explore.AttemptNone {
		r.done(s, "clients sent away, proved")
		return
	}
	r.done(s, "not proved")
}

// becomePrimary is REPLICAOF NO ONE and its like: a new history begins.
func (s *State) becomePrimary(i int) {
	n := &s.n[i]
	n.turn(s.newHistory())
	n.role, n.follows, n.link = rolePrimary, nobody, linkDown
	n.fail, n.target, n.stray = failNone, 0, false
}

// point is REPLICAOF: the server gives up its role at once, and its data when it
// has synchronised.
func (s *State) point(i int, primary uint8) {
	n := &s.n[i]
	n.role, n.follows, n.link = roleReplica, primary, linkDown
	n.fail, n.target = failNone, 0
	if primary < maxNodes {
		s.n[primary].former = false // it is the one that stays
	}
	s.breakLinks(i)
}
