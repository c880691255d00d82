package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// linkGrace is how long the link of a replica in service may be down before it
// is taken out of service: a handover or a partial resynchronisation is no
// reason to tell every budget and Service.
const linkGrace = 5 * time.Second

// publish makes Kubernetes show what the servers say. With no single primary it
// changes nothing: clients keep what they have until the truth is known.
func publish(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	primary, ok := shard.Primary()
	switch {
	case !ok:
		return model.Decision{}
	case primary.Phase == model.PodTerminating:
		return admit(rules, policy, shard, primary)
	}
	step := model.Publish{Primary: primary.Ref}
	for _, n := range shard.Nodes {
		if n.Phase != model.PodRunning {
			continue
		}
		want := wanted(rules, policy, shard, primary, n)
		if want.InService != n.InService || want.Role != n.RoleLabel || want.EndDrain {
			step.Nodes = append(step.Nodes, want)
		}
		if servesReads(shard, n, want) {
			step.Replicas = append(step.Replicas, n.Ref)
		}
	}
	if !rules.Routed() {
		step.Replicas = nil
		return publishPods(step)
	}
	switch {
	case !rules.Replicated():
		step.Replicas = nil
	case len(step.Replicas) == 0:
		step.Replicas = []model.Ref{primary.Ref} // reads go on while no replica serves
	}
	slices.SortFunc(step.Replicas, byAddress)
	if len(step.Nodes) == 0 && shard.Traffic.Primary == primary.Address && slices.Equal(addresses(step.Replicas), shard.Traffic.Replicas) {
		return model.Decision{}
	}
	return model.Do(step)
}

// admit puts nodes into service while the primary's pod is on its way out: one that has
// caught up only now is the one to take over, and without its gate it never could. Where
// Services lead stays as it is.
func admit(rules topology.Rules, policy model.Policy, shard model.Shard, primary model.Node) model.Decision {
	if rules.Routed() && shard.Traffic.Primary != primary.Address {
		return model.Decision{}
	}
	step := model.Publish{Primary: primary.Ref}
	for _, n := range shard.Nodes {
		if n.Phase == model.PodRunning && !n.InService && inService(policy, primary, n) {
			step.Nodes = append(step.Nodes, wanted(rules, policy, shard, primary, n))
		}
		if rules.Routed() && slices.Contains(shard.Traffic.Replicas, n.Address) {
			step.Replicas = append(step.Replicas, n.Ref)
		}
	}
	slices.SortFunc(step.Replicas, byAddress)
	return publishPods(step)
}

func byAddress(a, b model.Ref) int { return strings.Compare(a.Address, b.Address) }

// publishPods is for pods alone: clients of a cluster ask the servers who is who, and no
// Service leads to a role.
func publishPods(step model.Publish) model.Decision {
	if len(step.Nodes) == 0 {
		return model.Decision{}
	}
	return model.Do(step)
}

// wanted is what one pod ought to show.
func wanted(rules topology.Rules, policy model.Policy, shard model.Shard, primary, n model.Node) model.Publication {
	want := model.Publication{Node: n.Ref, Role: n.RoleLabel, InService: inService(policy, primary, n)}
	want.EndDrain = n.Draining && !drainWanted(rules, policy, shard, n)
	switch {
	case want.InService && n.Server.Role != model.RoleUnknown:
		want.Role = n.Server.Role
	case n.Name != primary.Name && n.RoleLabel == model.RolePrimary && !n.Server.Answered:
		want.Role = model.RoleReplica // another has replaced it: the budget is about that one
	}
	return want
}

// inService is the value of a node's readiness gate.
func inService(policy model.Policy, primary, n model.Node) bool {
	srv := n.Server
	switch {
	case n.Name == primary.Name:
		return true
	case !srv.Answered:
		return n.InService // the pod's own probe tells when it is gone
	case !n.InService:
		lag, listed := model.Lag(primary, n)
		return model.Attached(primary, n) && listed && lag <= policy.MaxLag
	case srv.Role != model.RoleReplica || srv.Follows == model.Nobody || srv.Loading || srv.Syncing:
		return false
	}
	return srv.LinkUp || srv.LinkDown < linkGrace
}

// servesReads says whether a node belongs behind the replicas' Service. The one that the role
// has just left does not yet: whoever comes to it was led there by the primary Service, and
// is sent away (act).
func servesReads(shard model.Shard, n model.Node, want model.Publication) bool {
	if !want.InService || (n.Draining && !want.EndDrain) || shard.Traffic.Lingers(n) {
		return false
	}
	if !n.Server.Answered { // one missed answer is no reason to move Services
		return n.Ready && slices.Contains(shard.Traffic.Replicas, n.Address)
	}
	return n.Server.Role == model.RoleReplica
}

// drainWanted says whether the drain of a node still has a purpose. It has none
// on a primary that has to hand over first: its clients' time would be spent
// before they can leave.
func drainWanted(rules topology.Rules, policy model.Policy, shard model.Shard, n model.Node) bool {
	if shard.Leaving && !shard.OwnsSlots() {
		return true
	}
	if n.Server.Role == model.RolePrimary && !rules.PrimaryRestarts(shard) {
		return false
	}
	return n.Ordinal >= shard.Wished(policy) || (shard.Stale(n) && !policy.Paused)
}

func addresses(refs []model.Ref) []string {
	out := make([]string, 0, len(refs))
	for _, r := range refs {
		out = append(out, r.Address)
	}
	return out
}
