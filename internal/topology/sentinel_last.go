package topology

import "github.com/valkeeper/valkeeper/internal/model"

// LastPrimary is whom the Sentinels name, if it is whom the operator remembers. Otherwise
// either may be the newer one: they fail over while there is no operator, and one promotes
// beside them while they cannot.
func (s sentinel) LastPrimary(shard model.Shard) (n model.Node, known bool) {
	watching := s.watching()
	if len(watching) == 0 {
		return model.Node{}, false
	}
	last, _ := shard.Node(shard.Memory.Primary)
	for _, w := range watching {
		if w.Watch.Primary != last.Address && w.Watch.Epoch >= s.epochOf(last.Address) {
			return model.Node{}, true
		}
	}
	return last, true
}
