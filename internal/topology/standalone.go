package topology

// standalone is a single node. It has nobody to hand over to, so its restart is
// an outage; the RolledOut condition says so.
type standalone struct{ loner }

// PrimaryRestarts is true: by its spec there is no replica.
func (standalone) PrimaryRestarts() bool { return true }
