package cluster

// unheard says that another one hands over to i, and has not heard yet that i has been
// elected. News takes milliseconds, and a pod's end longer: what ends before it is heard of
// would be a second loss within the first (docs/adr/0004).
func (s *State) unheard(i int) bool {
	for j := range s.n {
		if s.n[j].fail == uint8(i)+1 && s.n[i].primary && s.owned(i) != 0 && s.reach(i, j) && s.news(j) {
			return true
		}
	}
	return false
}
