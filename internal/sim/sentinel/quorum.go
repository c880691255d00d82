package sentinel

import "math/bits"

// complete: a Sentinel runs, names the only primary as it should, and could be elected
// with no more than those that are there.
func (s *State) complete(k int, without int, primary int) bool {
	t := &s.s[k]
	if !s.active(k) || t.watch != uint8(primary) || t.unset || t.down {
		return false
	}
	others := 0
	for o := range s.s {
		if o != without && s.active(o) && s.s[o].watch == uint8(primary) && s.calls(k, o) {
			others++
		}
	}
	return others+1 >= max(quorum, (bits.OnesCount8(t.others)+1)/2+1)
}

// checkTakeSentinel: laws 1, 10 and 18 when a Sentinel is restarted, reset or taken away:
// enough others are left in agreement, and nobody fails over.
func (r *run) checkTakeSentinel(s *State, k int, what string) {
	t, name := &s.s[k], sentinelNames[k]
	if what == "restarted" && !t.stale {
		r.Violate(1, "%s is fresh and is to be %s", name, what)
	}
	if !t.up {
		return // nothing is taken away
	}
	if s.fo.kind != foNone && s.answers(int(s.fo.by)) {
		r.Violate(10, "%s is to be %s while %s fails over", name, what, sentinelNames[s.fo.by])
	}
	all := s.visible()
	if len(all) != 1 {
		r.Violate(18, "%s is to be %s, and the primary is not beyond doubt: %v", name, what, all)
		return
	}
	left, without := 0, k
	if what == "reset" {
		without = maxSentinels // it has its vote, and cannot be elected
	}
	for o := range s.s {
		if o != k && s.complete(o, without, all[0]) {
			left++
		}
	}
	if left < r.world.needed() {
		r.Violate(18, "%s is to be %s, and %d others agree, who have to be %d", name, what, left, r.world.needed())
	}
}

// checkForget: law 18 when a Sentinel forgets: everything that is there has to be there
// for it to find again.
func (r *run) checkForget(s *State, k int) {
	for i := range int(r.world.Wanted) {
		if s.s[k].knows&(1<<i) != 0 && s.n[i].phase != absent && !s.sees(k, uint8(i)) {
			r.Violate(18, "%s is to forget %s, which may come back as a second primary", sentinelNames[k], podNames[i])
		}
	}
}

// checkWatch: laws 5, 10 and 18 when a Sentinel is told whom to watch.
func (r *run) checkWatch(s *State, k, primary int) {
	name := sentinelNames[k]
	if !s.heard(primary) || !s.n[primary].primary {
		r.Violate(5, "%s is told to watch %s, which is no primary", name, podNames[primary])
	}
	if s.fo.kind != foNone && s.answers(int(s.fo.by)) {
		r.Violate(10, "%s is told whom to watch while %s fails over", name, sentinelNames[s.fo.by])
	}
	other, agreed := r.agreedOn(s)
	if agreed && other != uint8(primary) && s.n[other].up && s.n[other].primary {
		r.Violate(18, "%s is told to watch %s, and the Sentinels name %s, which is primary", name, podNames[primary], podNames[other])
	}
	if t := &s.s[k]; t.watch == nobody || t.watch == uint8(primary) {
		return
	}
	if s.news(k, primary) {
		r.Violate(18, "%s is told what others are about to tell it", name)
	}
	silent := 0
	for o := range s.s {
		if s.active(o) && !s.answers(o) {
			silent++
		}
	}
	if silent >= r.world.needed() {
		r.Violate(18, "%s is told of %s over the heads of %d that may elect another", name, podNames[primary], silent)
	}
}

// news: another Sentinel that names the primary is believed by this one.
func (s *State) news(k, primary int) bool {
	for o := range s.s {
		if s.answers(o) && s.s[o].watch == uint8(primary) && s.s[o].epoch > s.s[k].epoch && s.meets(k, o) {
			return true
		}
	}
	return false
}
