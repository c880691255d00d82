package topology

import (
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
)

// standalone is a single node. To be restarted it is given a second one for a while,
// hands over to it and takes its role back afterwards: it is a replication with a
// replica that comes and goes, and no Service leads to that one. Only a user who wants
// none (surge: Never) accepts an outage; the RolledOut condition says so.
type standalone struct {
	replication
	surge model.Surge
}

// Replicated is false: by its spec there is no replica.
func (standalone) Replicated() bool { return false }

// Missing never finds it lost for being silent. Who has followed it for a while is heard
// all the same: a process that Kubernetes calls ended may run on.
func (s standalone) Missing(shard model.Shard) (string, model.Decision) {
	return inquest{shard: shard, downAfter: s.downAfter, lone: true}.verdict()
}

// PrimaryRestarts is true while nobody else is there, not even one that could have
// synchronised.
func (s standalone) PrimaryRestarts(shard model.Shard) bool {
	return s.surge == model.SurgeNever && !slices.ContainsFunc(shard.Nodes, func(n model.Node) bool {
		return n.Server.Role != model.RolePrimary && n.Phase != model.PodAbsent
	})
}
