package sentinel

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

// handover is the role's way from one node to another: the Sentinels move it, or the
// operator's FAILOVER; traffic; then the Sentinels are told, one before the others, and
// the clients sent away. What has begun goes on by itself when the operator dies.
func (a *act) handover(step model.Handover) {
	from, to := index(step.From), index(step.To)
	switch a.s.op.part {
	case 0:
		a.begin(from, to)
	case 1:
		a.awaitTarget(from)
	case 2:
		a.tellSome(from, true)
	default:
		a.prove(from)
	}
}

func (a *act) begin(from, to uint8) {
	s := &a.s
	if !a.reachable(from) || !a.reachable(to) {
		a.done("not done")
		return
	}
	a.checkHandover(s, int(from), int(to))
	p, t := &s.n[from], &s.n[to]
	if !p.primary || p.fail != failNone || t.primary || t.follows != from || !t.linked {
		s.attempt = explore.AttemptFailed
		a.done("refused by a server")
		return
	}
	if a.world.Direct {
		p.fail, p.target = failWaiting, to
		s.op.epoch = s.nextEpoch()
		a.part("FAILOVER sent")
		return
	}
	for k := range s.s {
		if !s.answers(k) || s.s[k].watch == nobody {
			continue
		}
		if s.fo.kind != foNone {
			a.done("it fails over already")
			return
		}
		s.begin(foCoordinated, k)
		s.op.epoch = s.fo.epoch
		a.part("SENTINEL FAILOVER COORDINATED")
		return
	}
	s.attempt = explore.AttemptFailed
	a.done("no Sentinel answers")
}

// heir is who has become primary instead of a node, as the operator hears.
func (s *State) heirOf(from uint8) (uint8, bool) {
	for i := range s.n {
		if uint8(i) != from && s.heard(i) && s.n[i].primary {
			return uint8(i), true
		}
	}
	return 0, false
}

// awaitTarget goes on as soon as another node says that it is primary, and brings
// everything else to an end.
func (a *act) awaitTarget(from uint8) {
	s := &a.s
	p := &s.n[from]
	heir, moved := s.heirOf(from)
	switch {
	case moved && (!s.heard(int(from)) || !p.primary):
		s.slice = heir
		a.part("traffic moved")
	case !a.reachable(from) || moved:
		s.attempt = explore.AttemptFailed
		a.done("unproven")
	case p.fail == failNone && s.fo.kind == foNone:
		s.attempt = explore.AttemptFailed
		a.done("given up")
	case p.fail == failProgress && !s.target(p).up:
		s.becomePrimary(int(from))
		s.attempt = explore.AttemptFailed
		a.done("aborted")
	}
}

// tellSome tells the first Sentinel that does not name the new primary, or all others.
func (a *act) tellSome(from uint8, first bool) {
	s := &a.s
	heir, moved := s.heirOf(from)
	if !moved {
		s.attempt = explore.AttemptFailed
		a.done("unproven")
		return
	}
	for k := range s.s {
		if !s.answers(k) || a.goneSentinel(k) || s.s[k].watch == heir || s.s[k].watch == nobody || s.s[k].epoch >= s.op.epoch || a.world.NoHello {
			continue
		}
		s.name(k, heir, s.op.epoch)
		if first {
			break
		}
	}
	if first {
		a.part("one Sentinel told")
	}
}

// prove tells the others, makes the clients of the old primary leave, and takes the
// proof: what Sentinels do not hear at once they are told by the plan.
func (a *act) prove(from uint8) {
	s := &a.s
	a.tellSome(from, false)
	if s.op.step == 0 {
		return
	}
	heir, _ := s.heirOf(from)
	s.attempt = explore.AttemptFailed
	agree := 0
	for k := range s.s {
		if s.answers(k) && s.s[k].watch == heir {
			agree++
		}
	}
	if a.reachable(from) {
		p := &s.n[from]
		p.clients = false
		if !p.primary && p.follows == heir && p.fail == failNone && p.linked && agree >= a.world.needed() {
			s.attempt = explore.AttemptNone
		}
	}
	if s.attempt == explore.AttemptNone {
		a.done("all told, clients sent away, proved")
		return
	}
	a.done("not proved")
}
