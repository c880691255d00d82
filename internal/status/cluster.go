package status

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// ring is what is shown of a cluster.
type ring struct {
	in     Input
	nodes  []v1alpha1.NodeStatus
	shards []v1alpha1.ShardStatus
}

func (r ring) conditions() []metav1.Condition {
	return []metav1.Condition{r.ready(), r.progressing(), r.rolledOut(), r.degraded()}
}

// wished is how many nodes there are to be.
func (r ring) wished() int { return r.in.Snapshot.Policy.Nodes * r.in.Snapshot.Policy.Shards }

// serving counts the nodes in service of the shards that stay, in each as many as are
// wished for at most.
func (r ring) serving() int {
	count := 0
	for _, s := range r.shards {
		if !r.leaves(s.Name) {
			count += min(serving(r.of(s.Name)), r.in.Snapshot.Policy.Nodes)
		}
	}
	return count
}

// of are the nodes of a shard.
func (r ring) of(shard string) []v1alpha1.NodeStatus {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(n v1alpha1.NodeStatus) bool { return n.Shard != shard })
}

// toRoll is how many nodes there are for a rollout in the shards that stay, extra ones
// among them.
func (r ring) toRoll() int {
	count := 0
	for _, shard := range r.in.Snapshot.Shards {
		if !shard.Leaving {
			count += toRoll(r.in.Snapshot.Policy, shard)
		}
	}
	return count
}

func (r ring) leaves(shard string) bool {
	return slices.ContainsFunc(r.in.Snapshot.Shards, func(s model.Shard) bool { return s.Leaving && s.Name == shard })
}

// whole counts the shards that have their primary, and all of their nodes in
// service.
func (r ring) whole() int {
	count := 0
	all := fmt.Sprintf("%d/%d", r.in.Snapshot.Policy.Nodes, r.in.Snapshot.Policy.Nodes)
	for _, s := range r.shards {
		if !r.leaves(s.Name) && s.Primary != "" && s.Ready == all {
			count++
		}
	}
	return count
}

// ready: every slot is served, the cluster is of one mind, and every wished node
// is in service.
func (r ring) ready() metav1.Condition {
	no := func(reason, message string) metav1.Condition {
		return condition(v1alpha1.ConditionReady, false, reason, message)
	}
	for _, shard := range r.in.Snapshot.Shards {
		switch primary, ok := shard.Primary(); {
		case shard.Leaving && !ok:
		case !ok:
			return no(NoPrimary, fmt.Sprintf("no single server of %s says that it is primary%s", shard.Name, because(r.in.Plan)))
		case !primary.Ready:
			return no(NoPrimary, primary.Name+" is primary; its readiness does not show it yet")
		}
	}
	if slots := covered(r.in.Snapshot).Count(); slots < model.SlotCount {
		return no(string(model.SlotsUncovered), fmt.Sprintf("%d hash slots are served by nobody%s", model.SlotCount-slots, because(r.in.Plan)))
	}
	if refusing := r.refusing(); len(refusing) > 0 {
		return no(string(model.ClusterDisagrees), strings.Join(refusing, ", ")+" finds the cluster down, and takes no writes")
	}
	if missing := r.missing(); len(missing) > 0 {
		return no(NodesMissing, "not in service: "+strings.Join(missing, "; "))
	}
	if r.serving() != r.wished() {
		return no(NodesMissing, fmt.Sprintf("%d nodes are in service, wished for are %d", r.serving(), r.wished()))
	}
	return condition(v1alpha1.ConditionReady, true, AllInService, fmt.Sprintf("%d shards serve all %d slots, and all %d nodes are in service",
		r.in.Snapshot.Policy.Shards, model.SlotCount, r.wished()))
}

// missing are the nodes that are not in service, of the shards in which that leaves
// fewer than are wished for.
func (r ring) missing() []string {
	var out []string
	for _, s := range r.shards {
		if all := r.of(s.Name); !r.leaves(s.Name) && serving(all) < r.in.Snapshot.Policy.Nodes {
			out = append(out, missing(all)...)
		}
	}
	return out
}

// refusing are the primaries with slots that do not find the cluster in order: one
// that has just joined takes some seconds to.
func (r ring) refusing() []string {
	var names []string
	for _, shard := range r.in.Snapshot.Shards {
		for _, primary := range shard.Primaries() {
			if !primary.Server.Owned().Empty() && !primary.Server.Cluster.OK {
				names = append(names, primary.Name)
			}
		}
	}
	return names
}

// progressing: steps are due, or something that is named is waited for.
func (r ring) progressing() metav1.Condition {
	if steps := r.steps(); len(steps) > 0 {
		return condition(v1alpha1.ConditionProgressing, true, Working, strings.Join(steps, "; ")+because(r.in.Plan))
	}
	if h, held := mainHold(r.in.Plan); held {
		return condition(v1alpha1.ConditionProgressing, h.Reason != model.Paused, string(h.Reason), allHolds(r.in.Plan))
	}
	return condition(v1alpha1.ConditionProgressing, false, Idle, "nothing to do")
}

// steps are those of all shards, in order.
func (r ring) steps() []string {
	var out []string
	for _, shard := range r.in.Snapshot.Shards {
		if step := r.in.Plan.Steps[shard.Name]; step != nil {
			out = append(out, shard.Name+": "+step.String())
		}
	}
	return out
}

// consequences are holds in one shard that only say that another one is at work.
var consequences = []model.Reason{model.OtherShards, model.RolloutFirst}

// mainHold is the first one that is a cause; or the first.
func mainHold(plan model.Plan) (model.Hold, bool) {
	for _, h := range plan.Holds {
		if !slices.Contains(consequences, h.Reason) {
			return h, true
		}
	}
	return firstHold(plan)
}

// rolledOut: every node runs the newest revision of its shard and is in service
// with it.
func (r ring) rolledOut() metav1.Condition {
	if r.in.Err != nil { // the newest wish may not have got as far as a revision
		return condition(v1alpha1.ConditionRolledOut, false, ReconcileFailed, r.in.Err.Error())
	}
	for _, shard := range r.in.Snapshot.Shards {
		if shard.Revision == "" && !shard.Leaving {
			return condition(v1alpha1.ConditionRolledOut, false, string(model.RevisionUnknown),
				"the StatefulSet controller has not seen the newest template of "+shard.Name+" yet")
		}
	}
	if r.complete() {
		return condition(v1alpha1.ConditionRolledOut, true, Complete, fmt.Sprintf("all %d nodes run the newest revision", r.wished()))
	}
	reason := InProgress
	if h, held := mainHold(r.in.Plan); held && len(r.in.Plan.Steps) == 0 {
		reason = string(h.Reason)
	}
	return condition(v1alpha1.ConditionRolledOut, false, reason,
		fmt.Sprintf("%d of %d nodes run the newest revision, %d are in service", r.fresh(), r.toRoll(), r.serving())+because(r.in.Plan))
}

// complete says that all wished nodes, and no others, are fresh and in service.
func (r ring) complete() bool {
	return r.fresh() == r.wished() && len(r.nodes) == r.wished() && r.serving() == r.wished()
}

func (r ring) fresh() int {
	count := 0
	for _, shard := range r.in.Snapshot.Shards {
		if !shard.Leaving {
			count += freshCount(shard)
		}
	}
	return count
}

// rolloutLine is the printed column. It says Complete when the condition RolledOut
// is true and nothing is waited for.
func (r ring) rolloutLine() string {
	if r.in.Err != nil {
		return "Failed: see condition Degraded"
	}
	if h, ok := mainHold(r.in.Plan); ok && len(r.in.Plan.Steps) == 0 {
		where := h.Node
		if where == "" {
			where = h.Shard
		}
		return fmt.Sprintf("Held: %s %s", h.Reason, where)
	}
	if r.complete() {
		return "Complete"
	}
	return fmt.Sprintf("%d/%d fresh", r.fresh(), r.toRoll())
}

// degraded: something is wrong that needs time or help.
func (r ring) degraded() metav1.Condition {
	if c, wrong := wrong(r.in); wrong {
		return c
	}
	for _, shard := range r.in.Snapshot.Shards {
		if c, trouble := troubled(shard); trouble {
			return c
		}
	}
	for _, shard := range r.in.Snapshot.Shards {
		if c, failing := notPersisting(shard); failing {
			return c
		}
	}
	for _, s := range r.shards {
		if s.HandoverFailure != nil {
			return handoverFailed(*s.HandoverFailure)
		}
	}
	return asWished()
}
