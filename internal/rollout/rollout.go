package rollout

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// Next decides how the rollout of one shard goes on. It is asked last: the
// shard has one primary, Kubernetes shows it, and every node follows it.
func Next(rules topology.Rules, policy model.Policy, shard model.Shard) model.Decision {
	if policy.Strategy != model.StrategyHandover {
		return model.Decision{} // the StatefulSet controller rolls the pods
	}
	if shard.Revision == "" {
		return hold(shard, model.RevisionUnknown, "", "the StatefulSet controller has not seen the newest template yet")
	}
	stale := staleNodes(shard)
	if len(stale) == 0 {
		return model.Decision{}
	}
	if policy.Paused {
		return hold(shard, model.Paused, "", fmt.Sprintf(
			"spec.rollout.paused is true; %d of %d pods run an older revision", len(stale), len(shard.Nodes)))
	}
	primary, ok := shard.Primary()
	if !ok {
		return hold(shard, model.PrimaryNotVisible, "", "no single server says that it is primary")
	}
	if d := whileDown(policy, shard, primary); d.Made() {
		return d
	}
	victim, isPrimary := nextVictim(policy, stale, primary)
	switch {
	case isPrimary && !rules.PrimaryRestarts(shard):
		return HandOver(rules, policy, shard, shard.Nodes)
	case isPrimary:
		// Its clients have nowhere else to go: to send them away would only make
		// the outage longer.
		return model.Do(model.Restart{Node: victim.Ref, Revision: shard.Revision, Why: "it runs an older revision, and nobody can take over from it"})
	}
	if d := othersSynced(shard, primary, victim, policy.MaxLag); d.Made() {
		return d
	}
	return restart(rules, policy, shard, victim, "it runs an older revision")
}

// staleNodes are the pods that run an older revision, in order of the ordinal.
func staleNodes(shard model.Shard) []model.Node {
	var out []model.Node
	for _, n := range shard.Nodes {
		if shard.Stale(n) {
			out = append(out, n)
		}
	}
	return out
}

// whileDown holds while any node is down. The one exception is law 2's: a node
// that is down already may itself be restarted, when it is stale and will not
// come up by itself. That takes nothing down, be others down or not; only the
// primary has to be well, for else its data may be wanted.
func whileDown(policy model.Policy, shard model.Shard, primary model.Node) model.Decision {
	well := !primary.Down() && shard.Stays(primary)
	var holds []model.Hold
	for _, n := range shard.Nodes {
		if !n.Down() {
			continue
		}
		if well && n.CannotStart && n.Phase != model.PodTerminating && shard.Stale(n) {
			return model.Do(model.Restart{Node: n.Ref, Revision: shard.Revision,
				Why: "it does not run, and its revision is superseded"})
		}
		if well && leftBehind(shard, primary, n, policy.MaxLag) {
			return model.Do(model.Restart{Node: n.Ref, Revision: shard.Revision,
				Why: "it has lost its primary, which runs the newest revision; its own is superseded"})
		}
		h := WhyDown(shard, primary, n)
		h.Detail += canary(policy, shard, n)
		holds = append(holds, h)
	}
	return model.Wait(holds...)
}

// leftBehind says that a replica of an older revision is out of service because
// its link to a primary of the newest one does not stand, and nothing else is
// wrong but that others may have been left behind as well: an older server may
// not be able to follow a newer one, and its restart is the way out. Its copy is
// older than the primary's.
func leftBehind(shard model.Shard, primary, n model.Node, maxLag int64) bool {
	for _, other := range shard.Nodes {
		if other.Name != primary.Name && !model.Synced(primary, other, maxLag) && !cannotFollow(shard, primary, other) {
			return false
		}
	}
	return cannotFollow(shard, primary, n)
}

func cannotFollow(shard model.Shard, primary, n model.Node) bool {
	srv := n.Server
	return n.Phase == model.PodRunning && !n.InService && shard.Stale(n) && shard.Fresh(primary) &&
		srv.Answered && srv.Role == model.RoleReplica && srv.Follows == primary.Address && !srv.LinkUp && !srv.Loading
}

// WhyDown says what is the matter with a node that is down.
func WhyDown(shard model.Shard, primary, n model.Node) model.Hold {
	h := model.Hold{Shard: shard.Name, Node: n.Name, Reason: model.NodeDown}
	switch {
	case n.Phase == model.PodTerminating:
		h.Reason, h.Detail = model.PodStarting, "its pod is terminating and will be replaced"
	case n.Trouble != "":
		h.Detail = n.Trouble
	case n.Phase == model.PodAbsent || n.Phase == model.PodPending || (!n.Admitted && !n.Server.Answered):
		h.Reason, h.Detail = model.PodStarting, "its pod has not started yet"
	case !n.Server.Answered:
		h.Detail = "its server does not answer"
	case n.Name != primary.Name:
		h.Reason, h.Detail = model.NotSynced, WhyNotSynced(primary, n)
	default:
		h.Detail = "its pod is not Ready"
	}
	return h
}

// canary says of the extra node of a rollout what it is for, and how to do without.
func canary(policy model.Policy, shard model.Shard, n model.Node) string {
	if !policy.Extra(n) || n.Ordinal >= shard.Wished(policy) {
		return ""
	}
	text := " (it is the extra pod of this rollout, and nothing else is touched while it is not in service: " +
		"make room for it or mend the spec, or set spec.rollout.surge to Never"
	if policy.Nodes == 1 {
		text += ", which restarts the only server with an outage"
	}
	return text + ")"
}

// nextVictim chooses what to restart next: the extra node of the rollout, for whom
// nothing else is touched before it runs the newest revision; else a replica whose
// drain has begun; else the stale replica that is furthest behind (offsets within the
// bound count as equal; then the highest ordinal), else the primary.
func nextVictim(policy model.Policy, stale []model.Node, primary model.Node) (victim model.Node, isPrimary bool) {
	replicas := slices.DeleteFunc(slices.Clone(stale), func(n model.Node) bool { return n.Name == primary.Name })
	if len(replicas) == 0 {
		return primary, true
	}
	return slices.MinFunc(replicas, func(a, b model.Node) int {
		if policy.Extra(a) != policy.Extra(b) {
			return trueFirst(policy.Extra(a))
		}
		if a.Draining != b.Draining {
			return trueFirst(a.Draining)
		}
		if d := beyond(primary, a, policy.MaxLag) - beyond(primary, b, policy.MaxLag); d != 0 {
			return cmp.Compare(0, d)
		}
		return cmp.Compare(b.Ordinal, a.Ordinal)
	}), false
}

func trueFirst(first bool) int {
	if first {
		return -1
	}
	return 1
}

// beyond is by how many bytes a replica lags beyond the bound; 0 within it.
func beyond(primary, n model.Node, maxLag int64) int64 {
	lag, listed := model.Lag(primary, n)
	if !listed {
		lag = primary.Server.Offset
	}
	return max(0, lag-maxLag)
}

// othersSynced holds until every replica but the victim could take over: no
// second copy is ever given up before the first one is whole again.
func othersSynced(shard model.Shard, primary, victim model.Node, maxLag int64) model.Decision {
	var holds []model.Hold
	for _, n := range shard.Nodes {
		if n.Name == primary.Name || n.Name == victim.Name || model.Synced(primary, n, maxLag) {
			continue
		}
		holds = append(holds, model.Hold{Shard: shard.Name, Reason: model.NotSynced, Node: n.Name,
			Detail: WhyNotSynced(primary, n)})
	}
	return model.Wait(holds...)
}

// restart drains the node, waits for its clients within the bound, and then
// restarts its pod.
func restart(rules topology.Rules, policy model.Policy, shard model.Shard, n model.Node, why string) model.Decision {
	if n.Server.LogTorn {
		return hold(shard, model.Persisting, n.Name, "a write to its append-only file has failed, and it could not read that file when it starts; it restarts once it has written it anew")
	}
	if n.Server.Rewriting {
		return hold(shard, model.Persisting, n.Name, "it writes its append-only file and would refuse to shut down; it restarts afterwards")
	}
	others := slices.DeleteFunc(slices.Clone(shard.Nodes), func(o model.Node) bool { return o.Name == n.Name })
	if d := Written(shard, others); d.Made() {
		return d
	}
	if holds := rules.RestartGates(shard); len(holds) > 0 {
		return model.Wait(holds...)
	}
	if d := Drained(rules, policy, shard, n); d.Made() {
		return d
	}
	return model.Do(model.Restart{Node: n.Ref, Revision: shard.Revision, Why: why})
}

func hold(shard model.Shard, reason model.Reason, node, detail string) model.Decision {
	return model.Wait(model.Hold{Shard: shard.Name, Reason: reason, Node: node, Detail: detail})
}
