package explore

// progress checks law 11: from every state, with no further fault, a completed
// one can be reached.
func (e *walk[S, M]) progress() {
	can := e.completing()
	if e.result.Broken != nil {
		return
	}
	for i := range e.states {
		if can[i] {
			continue
		}
		if e.waitsForPerson(i) {
			e.result.Human++
			continue
		}
		e.walker.Stuck(&e.states[i])
		e.result.Broken, e.result.Trace = e.walker.Broken(), e.trace(i)
		return
	}
}

// completing marks the states from which completion can be reached. In complete
// states something may have to hold besides.
func (e *walk[S, M]) completing() []bool {
	back, ends := e.backward()
	can := make([]bool, len(e.states))
	var queue []int32
	for i := range e.states {
		if e.walker.Complete(&e.states[i]) {
			e.result.Done++
			can[i] = true
			queue = append(queue, int32(i)) //nolint:gosec // bounded by MaxStates
		}
		if broken := e.walker.Broken(); broken != nil {
			e.result.Broken, e.result.Trace = broken, e.trace(i)
			return can
		}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, from := range back[ends[at]:ends[at+1]] {
			if !can[from] {
				can[from] = true
				queue = append(queue, from)
			}
		}
	}
	return can
}

// backward turns the moves around.
func (e *walk[S, M]) backward() (from []int32, ends []int) {
	ends = make([]int, len(e.states)+2)
	for _, to := range e.onward {
		ends[to+2]++
	}
	for i := 2; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	from = make([]int32, len(e.onward))
	begin := 0
	for i, end := range e.ends {
		for _, to := range e.onward[begin:end] {
			from[ends[to+1]] = int32(i) //nolint:gosec // bounded by MaxStates
			ends[to+1]++
		}
		begin = end
	}
	return from, ends
}

// waitsForPerson: what the operator holds for, or will once what lasts has
// healed, is a decision that is no program's to make.
func (e *walk[S, M]) waitsForPerson(i int) bool {
	seen := map[int32]bool{int32(i): true} //nolint:gosec // bounded by MaxStates
	queue := []int32{int32(i)}             //nolint:gosec // bounded by MaxStates
	for len(queue) > 0 && len(seen) < 20_000 {
		at := queue[0]
		queue = queue[1:]
		if e.walker.ForPerson(&e.states[at]) {
			return true
		}
		begin := 0
		if at > 0 {
			begin = e.ends[at-1]
		}
		for _, to := range e.onward[begin:e.ends[at]] {
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	return false
}
