// Package topology holds all that a topology knows and the engine does not:
// one file for each. The engine asks Rules and never switches on the topology.
package topology

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Rules are the questions that the engine has for a topology.
type Rules interface {
	// Replicated says that by its spec a primary has replicas: a Service leads to
	// them.
	Replicated() bool
	// PrimaryRestarts says that the primary of the shard has nobody to hand over
	// to, and will have nobody: its restart is an outage that the user has accepted.
	PrimaryRestarts(shard model.Shard) bool
	// Routed says that clients find the primary through a Service that the
	// operator moves. Otherwise they ask the servers themselves.
	Routed() bool
	// SendsAway says that clients of a node which is drained are disconnected, and
	// come back elsewhere. Otherwise they are only waited for.
	SendsAway() bool
	// Missing is asked first when no node of a shard says that it is primary, or only
	// one that is Outdated. It holds while one that cannot be seen may be primary.
	// Otherwise it says how the last one was lost, as far as it knows more than that it
	// was.
	Missing(shard model.Shard) (how string, d model.Decision)
	// Recognised says that a shard's only primary is taken for it by others as well.
	// Until then it is neither remembered nor followed.
	Recognised(primary model.Node) bool
	// Follows says whether a node is told to follow this primary.
	Follows(n, primary model.Node) bool

	// Outdated says that the shard's only primary is one of earlier, which another has
	// replaced: it is neither remembered nor followed while newer data may be found.
	Outdated(shard model.Shard) bool

	// Elects says that whoever moves a role would give it to this node at all, while its
	// primary is well.
	Elects(shard model.Shard, n model.Node) bool

	// HandoverGates are the holds that only this topology knows, asked before
	// the role of a primary moves to the target.
	HandoverGates(shard model.Shard, target model.Node) []model.Hold
	// RestartGates are those asked before a node that serves is drained, restarted
	// or taken away.
	RestartGates(shard model.Shard) []model.Hold

	// Vacancy is asked next, when no node of a shard is primary and none that cannot be
	// seen may be. Nothing means that the best copy is to be found and promoted.
	Vacancy(shard model.Shard) model.Decision
	// LastPrimary is whom the others know as the shard's last primary: those who may have
	// elected one while no operator saw it. It is asked where copies have forgotten their
	// histories. Not known means that nobody else knows; an empty node, that what they know
	// is at odds with the operator's memory, and which is newer cannot be told.
	LastPrimary(shard model.Shard) (n model.Node, known bool)
	// Promotion makes the chosen copy the primary.
	Promotion(shard model.Shard, n model.Node, why string) model.Decision
	// Empty decides about a shard of which no node holds anything, able being
	// those that could be promoted. Nothing means that any of them may be.
	Empty(shard model.Shard, able []model.Node) model.Decision
	// Chosen is the command by which a person makes a copy the one that counts.
	Chosen(n model.Node) string
	// Join makes a node follow its shard's primary.
	Join(shard model.Shard, n, primary model.Node, why string) model.Decision

	// Superseded adds what is missing beside the shard, and replaces what never came up
	// once there is a newer spec.
	Superseded(policy model.Policy) model.Decision
	// Settle says which of several primaries stays, and whether a single one is to be
	// trusted. Nothing leaves it to what is known of the copies.
	Settle(shard model.Shard) model.Decision
	// Before and After are what has to be changed beside the shard before its nodes
	// are rolled, and afterwards.
	Before(policy model.Policy, shard model.Shard) model.Decision
	After(policy model.Policy, shard model.Shard) model.Decision

	// Meet makes every node of the shard known to all others.
	Meet(shard model.Shard) model.Decision
	// Forget makes the shard's nodes forget what is no more.
	Forget(shard model.Shard) model.Decision
	// Reshard gives away what other shards ought to have.
	Reshard(shard model.Shard) model.Decision
}

// loner is the answers of a topology of one shard, where there is nobody else to
// agree with. The others, Cluster too, take those that they do not give themselves.
type loner struct{}

func (loner) Replicated() bool { return true }
func (loner) Routed() bool     { return true }
func (loner) SendsAway() bool  { return true }

func (loner) PrimaryRestarts(model.Shard) bool { return false }

func (loner) Missing(shard model.Shard) (string, model.Decision) {
	return "", missing(shard, func(model.Node) bool { return false })
}

func (loner) Recognised(model.Node) bool { return true }
func (loner) Outdated(model.Shard) bool  { return false }

func (loner) Follows(n, primary model.Node) bool { return n.Server.Follows == primary.Address }

func (loner) Elects(model.Shard, model.Node) bool { return true }

func (loner) HandoverGates(model.Shard, model.Node) []model.Hold { return nil }
func (loner) RestartGates(model.Shard) []model.Hold              { return nil }

func (loner) Vacancy(model.Shard) model.Decision { return model.Decision{} }

func (loner) LastPrimary(model.Shard) (model.Node, bool) { return model.Node{}, false }

func (loner) Promotion(_ model.Shard, n model.Node, why string) model.Decision {
	return model.Do(model.Promote{Node: n.Ref, Why: why})
}

func (loner) Empty(model.Shard, []model.Node) model.Decision { return model.Decision{} }

func (loner) Chosen(model.Node) string { return "REPLICAOF NO ONE" }

func (loner) Join(_ model.Shard, n, primary model.Node, why string) model.Decision {
	return model.Do(model.Follow{Node: n.Ref, Primary: primary.Ref, Why: why})
}

func (loner) Superseded(model.Policy) model.Decision          { return model.Decision{} }
func (loner) Settle(model.Shard) model.Decision               { return model.Decision{} }
func (loner) Before(model.Policy, model.Shard) model.Decision { return model.Decision{} }
func (loner) After(model.Policy, model.Shard) model.Decision  { return model.Decision{} }

func (loner) Meet(model.Shard) model.Decision    { return model.Decision{} }
func (loner) Forget(model.Shard) model.Decision  { return model.Decision{} }
func (loner) Reshard(model.Shard) model.Decision { return model.Decision{} }

// For gives the rules of an instance's topology. An unknown one is an
// error: the engine then does nothing at all.
func For(snap model.Snapshot) (Rules, error) {
	switch snap.Topology {
	case model.Standalone:
		return standalone{replication: replication{downAfter: snap.Policy.DownAfter}, surge: snap.Policy.Surge}, nil
	case model.Replication:
		return replication{downAfter: snap.Policy.DownAfter}, nil
	case model.Cluster:
		return newCluster(snap), nil
	case model.Sentinel:
		return newSentinel(snap), nil
	}
	return nil, fmt.Errorf("topology %q is unknown: use Standalone, Replication, Sentinel or Cluster", snap.Topology)
}
