package topology

import "github.com/valkeeper/valkeeper/internal/model"

// standalone is a single node. It has nobody to hand over to, so its restart is
// an outage; the RolledOut condition says so.
type standalone struct{}

// PrimaryRestarts is true: by its spec there is no replica.
func (standalone) PrimaryRestarts() bool { return true }

// HandoverGates are none.
func (standalone) HandoverGates(model.Shard, model.Node) []model.Hold { return nil }
