// Package topology holds all that a topology knows and the engine does not:
// one file for each. The engine asks Rules and never switches on the topology.
package topology

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Rules are the questions that the engine has for a topology.
type Rules interface {
	// PrimaryRestarts says that a primary has, by its spec, no replica to hand
	// over to: its restart is an outage that the user has accepted.
	PrimaryRestarts() bool
	// HandoverGates are the holds that only this topology knows, asked before
	// the role of a primary moves to the target.
	HandoverGates(shard model.Shard, target model.Node) []model.Hold
}

// For gives the rules of a topology. An unknown or unbuilt one is an error:
// the engine then does nothing at all.
func For(t model.Topology) (Rules, error) {
	switch t {
	case model.Standalone:
		return standalone{}, nil
	case model.Replication:
		return replication{}, nil
	case model.Sentinel, model.Cluster:
		return nil, fmt.Errorf("topology %q is not built yet: use Standalone or Replication", t)
	}
	return nil, fmt.Errorf("topology %q is unknown: use Standalone or Replication", t)
}
