package sentinel

import (
	"math/bits"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Start is the first state.
func (r *run) Start() State { return r.world.Start() }

// Stuck breaks law 11.
func (r *run) Stuck(s *State) {
	r.Violate(11, "no way to completion from here; the plan is to %s, held by %v", r.tell(r.plan(s)), r.plan(s).holds)
}

// Complete: everything runs, is fresh and in service, all Sentinels name the primary,
// know each other and every replica and nothing else, and the operator has nothing to do
// and nothing to wait for.
func (r *run) Complete(s *State) bool {
	if s.op.step != 0 || s.far != 0 || s.fo.kind != foNone || s.size != r.world.Wanted || s.sentinels != r.world.WantedSentinels {
		return false
	}
	all := s.primaries()
	if len(all) != 1 || s.slice != uint8(all[0]) {
		return false
	}
	p := all[0]
	if s.n[p].evac {
		return false
	}
	for i := range s.n {
		if !r.inPlace(s, i, p) {
			return false
		}
	}
	for k := range s.s {
		if !r.agrees(s, k, p) {
			return false
		}
	}
	if plan := r.plan(s); plan.step != 0 || len(plan.holds) > 0 {
		return false
	}
	if missing := s.owed &^ s.n[p].set; missing != 0 {
		r.Violate(9, "the instance is complete, and its primary lacks acknowledged writes %b", missing)
	}
	return true
}

func (r *run) inPlace(s *State, i, primary int) bool {
	n := &s.n[i]
	if i >= int(r.world.Wanted) {
		return n.phase == absent
	}
	return !s.down(i) && !n.stale && n.drain == drainNo && n.fail == failNone &&
		(i == primary || (s.attached(i, primary) && !n.late && (!n.zero || n.evac)))
}

func (r *run) agrees(s *State, k, primary int) bool {
	t := &s.s[k]
	if k >= int(r.world.WantedSentinels) {
		return t.phase == absent
	}
	nodes := uint8(1)<<r.world.Wanted - 1
	may := nodes &^ (1 << primary)
	for i := range s.n {
		if s.n[i].zero {
			may &^= 1 << i
		}
	}
	return t.phase == running && t.up && !t.stale && !t.mute && t.watch == uint8(primary) && !t.unset && !t.down &&
		t.knows == nodes && t.ranked == may && t.away == 0 && bits.OnesCount8(t.others) == int(r.world.WantedSentinels)-1
}

// ForPerson: one of the holds asks for a person's decision.
func (r *run) ForPerson(s *State) bool {
	for _, h := range r.plan(s).holds {
		if h.Reason == model.HistoryUnknown {
			return true
		}
	}
	return false
}
