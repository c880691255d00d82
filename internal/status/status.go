// Package status says what is seen and why something waits: a pure function of
// (Snapshot, Plan, error). Every condition has its one owner here.
package status

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// Input is what a status is derived from.
type Input struct {
	Generation int64
	Snapshot   model.Snapshot
	Plan       model.Plan
	// Err is what stopped the reconcile, if anything did.
	Err error
	// Previous is the status before: what cannot be seen is carried over.
	Previous v1alpha1.ValkeyStatus
}

// Derive gives the status. Transition times of conditions are not set: whoever
// writes the status merges them.
func Derive(in Input) v1alpha1.ValkeyStatus {
	if len(in.Snapshot.Shards) == 0 {
		return unseen(in)
	}
	if in.Snapshot.Topology == model.Cluster {
		return cluster(in)
	}
	out := v1alpha1.ValkeyStatus{
		ObservedGeneration: in.Generation,
		Formed:             in.Previous.Formed,
		LastPrimary:        in.Previous.LastPrimary,
		History:            in.Previous.History,
		LastHandover:       in.Previous.LastHandover,
		LastFailover:       in.Previous.LastFailover,
		HandoverFailure:    in.Previous.HandoverFailure,
		Conditions:         slices.Clone(in.Previous.Conditions),
	}
	shard := in.Snapshot.Shards[0]
	remember(&out, in.Snapshot)
	out.UpdateRevision = shard.Revision
	out.Nodes = nodes(shard, in.Snapshot.Policy)
	out.Ready = inService(out.Nodes, in.Snapshot.Policy)
	if in.Snapshot.Topology == model.Sentinel {
		out.Sentinels = sentinels(in.Snapshot)
		out.SentinelsReady = watching(in.Snapshot.Sentinels, out.Sentinels)
	}
	out.Rollout = rolloutLine(in, shard, serving(out.Nodes))
	if atRest(in) {
		out.HandoverFailure = nil // nobody waits for that handover any more
	}
	for _, c := range conditions(in, out.HandoverFailure) {
		c.ObservedGeneration = in.Generation
		set(&out.Conditions, c)
	}
	return out
}

// unseen is the status when nothing could be seen: what was seen last stays, of
// the generation that it speaks of, and the cause is shown.
func unseen(in Input) v1alpha1.ValkeyStatus {
	out := *in.Previous.DeepCopy()
	for _, c := range unseenConditions(in) {
		known := slices.ContainsFunc(out.Conditions, func(old metav1.Condition) bool { return old.Type == c.Type })
		if known && c.Type != v1alpha1.ConditionDegraded {
			continue
		}
		c.ObservedGeneration = in.Generation
		set(&out.Conditions, c)
	}
	return out
}

// atRest says that nothing is due and nothing is waited for.
func atRest(in Input) bool {
	return in.Err == nil && len(in.Plan.Steps) == 0 && len(in.Plan.Holds) == 0
}

// remember keeps what cannot be seen once every server is down.
// A primary that others do not take for one is not remembered.
func remember(out *v1alpha1.ValkeyStatus, snap model.Snapshot) {
	shard := snap.Shards[0]
	primary, ok := shard.Primary()
	if !ok {
		return
	}
	rules, err := topology.For(snap)
	trusted := err == nil && rules.Recognised(primary) && !rules.Outdated(shard)
	out.Primary = primary.Name
	if !trusted {
		return
	}
	out.LastPrimary, out.Formed = primary.Name, true
	out.History = history(out.History, primary.Server.ReplID)
}

// history begins with the newest replication id.
func history(before []string, id string) []string {
	if id == "" || (len(before) > 0 && before[0] == id) {
		return before
	}
	older := slices.DeleteFunc(slices.Clone(before), func(h string) bool { return h == id })
	out := append([]string{id}, older...)
	return out[:min(len(out), v1alpha1.HistoryLimit)]
}

// lagUnit, bytes, is what lags are rounded down to: a primary pings its replicas
// now and then and hears of it up to a second later, which is no news.
const lagUnit = 1 << 10

// nodes shows every node and what keeps it out of service.
func nodes(shard model.Shard, policy model.Policy) []v1alpha1.NodeStatus {
	primary, hasPrimary := shard.Primary()
	out := make([]v1alpha1.NodeStatus, 0, len(shard.Nodes))
	for _, n := range shard.Nodes {
		s := v1alpha1.NodeStatus{
			Name: n.Name, Role: v1alpha1.NodeRole(n.Server.Role.String()), Revision: n.Revision,
			Fresh: shard.Fresh(n), Ready: n.Ready, Host: n.Host, Zone: n.Zone, Version: n.Server.Version,
		}
		switch {
		case hasPrimary && n.Name == primary.Name:
			s.Synced = true
		case hasPrimary:
			s.Synced = model.Synced(primary, n, policy.MaxLag)
			if lag, listed := model.Lag(primary, n); listed {
				s.LagBytes = ptr.To(lag / lagUnit * lagUnit)
			}
		}
		s.Message = message(n, s.Synced, hasPrimary, primary)
		out = append(out, s)
	}
	return out
}

func message(n model.Node, synced, hasPrimary bool, primary model.Node) string {
	switch {
	case n.Phase == model.PodAbsent && n.Trouble == "":
		return "its pod does not exist yet"
	case n.Phase == model.PodTerminating:
		return "its pod is terminating"
	case n.Trouble != "" && n.Down():
		return n.Trouble
	case !n.Server.Answered:
		return "its server does not answer"
	case synced:
		return ""
	case n.Server.Held:
		return "it is held back: it was a primary, and joins once its copy has been compared, or superseded"
	case hasPrimary:
		return rollout.WhyNotSynced(primary, n)
	}
	return "the shard has no primary"
}

// serving counts the nodes that are Ready and synced.
func serving(nodes []v1alpha1.NodeStatus) int {
	count := 0
	for _, n := range nodes {
		if n.Ready && n.Synced {
			count++
		}
	}
	return count
}

// inService is the printed column. The extra node of a rollout stands in for one that
// restarts, and is not counted besides.
func inService(nodes []v1alpha1.NodeStatus, policy model.Policy) string {
	return fmt.Sprintf("%d/%d", min(serving(nodes), policy.Nodes), policy.Nodes)
}

// rolloutLine is the printed column: one glance at how far a change has come.
// It says Complete when the condition RolledOut is true.
func rolloutLine(in Input, shard model.Shard, serving int) string {
	if in.Err != nil {
		return "Failed: see condition Degraded"
	}
	if h, ok := firstHold(in.Plan); ok && in.Plan.Steps[shard.Name] == nil {
		if h.Node != "" {
			return fmt.Sprintf("Held: %s %s", h.Reason, h.Node)
		}
		return fmt.Sprintf("Held: %s", h.Reason)
	}
	fresh := freshCount(shard)
	if !sentinelsRolledOut(in.Snapshot) {
		return fmt.Sprintf("%d/%d fresh, Sentinels %d/%d", fresh, toRoll(in.Snapshot.Policy, shard), freshSentinels(in.Snapshot), in.Snapshot.Sentinels.Wanted)
	}
	if fresh == in.Snapshot.Policy.Nodes && len(shard.Nodes) == fresh && serving == fresh {
		return "Complete"
	}
	return fmt.Sprintf("%d/%d fresh", fresh, toRoll(in.Snapshot.Policy, shard))
}

// toRoll is how many nodes there are for a rollout, an extra one among them.
func toRoll(policy model.Policy, shard model.Shard) int { return max(policy.Nodes, len(shard.Nodes)) }

func freshCount(shard model.Shard) int {
	count := 0
	for _, n := range shard.Nodes {
		if shard.Fresh(n) {
			count++
		}
	}
	return count
}

func firstHold(plan model.Plan) (model.Hold, bool) {
	if len(plan.Holds) == 0 {
		return model.Hold{}, false
	}
	return plan.Holds[0], true
}

// set replaces the condition of the same type; a changed status loses its
// transition time, which whoever writes fills in.
func set(conditions *[]metav1.Condition, c metav1.Condition) {
	for i, old := range *conditions {
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		(*conditions)[i] = c
		return
	}
	*conditions = append(*conditions, c)
}
