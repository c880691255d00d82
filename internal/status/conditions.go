package status

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/rollout"
)

// The reasons of conditions that are not holds (those are model.Reason).
// All of them are explained in docs/reference/reasons.md.
const (
	AllInService     = "AllInService"
	NodesMissing     = "NodesMissing"
	SentinelsMissing = "SentinelsMissing"
	NoPrimary        = "NoPrimary"
	Idle             = "Idle"
	Working          = "Working"
	Complete         = "Complete"
	InProgress       = "InProgress"
	CompleteByOutage = "CompleteByOutage"
	ReconcileFailed  = "ReconcileFailed"
	AsWished         = "AsWished"
	NodeTrouble      = "NodeTrouble"
	HandoverFailed   = "HandoverFailed"
)

// conditions are the four, in the order in which people read them, of an
// instance whose servers were looked at.
func conditions(in Input, failure *v1alpha1.HandoverFailure) []metav1.Condition {
	shard := in.Snapshot.Shards[0]
	return []metav1.Condition{ready(in, shard), progressing(in, shard), rolledOut(in, shard), degraded(in, shard, failure)}
}

// unseenConditions are those of an instance of which nothing is known.
func unseenConditions(in Input) []metav1.Condition {
	const unseen = "nothing has been observed yet"
	out := []metav1.Condition{
		condition(v1alpha1.ConditionReady, false, NodesMissing, unseen),
		condition(v1alpha1.ConditionProgressing, false, Idle, unseen),
		condition(v1alpha1.ConditionRolledOut, false, string(model.RevisionUnknown), unseen),
	}
	if in.Err != nil {
		out = append(out, reconcileFailed(in.Err))
	}
	return out
}

func condition(kind string, is bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

// ready: the instance serves writes, and as many nodes as are wished for are in
// service. The extra one of a rollout may stand in for one that restarts.
func ready(in Input, shard model.Shard) metav1.Condition {
	primary, ok := shard.Primary()
	switch {
	case !ok:
		return condition(v1alpha1.ConditionReady, false, NoPrimary, "no single server says that it is primary"+because(in.Plan))
	case shard.Traffic.Primary != primary.Address || !primary.Ready:
		return condition(v1alpha1.ConditionReady, false, NoPrimary,
			fmt.Sprintf("%s is primary; its Service or readiness does not show it yet", primary.Name))
	}
	all, wished := nodes(shard, in.Snapshot.Policy), in.Snapshot.Policy.Nodes
	if missing := missing(all); serving(all) < wished && len(missing) > 0 {
		return condition(v1alpha1.ConditionReady, false, NodesMissing, "not in service: "+strings.Join(missing, "; "))
	}
	if len(all) < wished {
		return condition(v1alpha1.ConditionReady, false, NodesMissing,
			fmt.Sprintf("there are %d nodes, wished for are %d", len(all), wished))
	}
	if set := in.Snapshot.Sentinels; agreeing(sentinels(in.Snapshot)) < set.Wanted {
		return condition(v1alpha1.ConditionReady, false, SentinelsMissing, "Sentinels that do not agree: "+dissenters(in.Snapshot))
	}
	return condition(v1alpha1.ConditionReady, true, AllInService,
		fmt.Sprintf("%s is primary, and all %d nodes are in service", primary.Name, wished))
}

// missing are the nodes that are not in service, and why.
func missing(nodes []v1alpha1.NodeStatus) []string {
	var out []string
	for _, n := range nodes {
		if !n.Ready || !n.Synced {
			out = append(out, n.Name+" ("+n.Message+")")
		}
	}
	return out
}

// progressing: a step is due, or something that is named is waited for.
func progressing(in Input, shard model.Shard) metav1.Condition {
	if step := in.Plan.Steps[shard.Name]; step != nil {
		return condition(v1alpha1.ConditionProgressing, true, Working, step.String()+because(in.Plan))
	}
	if h, held := firstHold(in.Plan); held {
		return condition(v1alpha1.ConditionProgressing, h.Reason != model.Paused, string(h.Reason), allHolds(in.Plan))
	}
	return condition(v1alpha1.ConditionProgressing, false, Idle, "nothing to do")
}

// rolledOut: every node runs the newest revision and is in service with it.
func rolledOut(in Input, shard model.Shard) metav1.Condition {
	if in.Err != nil { // the newest wish may not have got as far as a revision
		return condition(v1alpha1.ConditionRolledOut, false, ReconcileFailed, in.Err.Error())
	}
	if shard.Revision == "" {
		return condition(v1alpha1.ConditionRolledOut, false, string(model.RevisionUnknown),
			"the StatefulSet controller has not seen the newest template yet")
	}
	fresh, wished := freshCount(shard), in.Snapshot.Policy.Nodes
	all := nodes(shard, in.Snapshot.Policy)
	if set := in.Snapshot.Sentinels; fresh == wished && !sentinelsRolledOut(in.Snapshot) {
		return condition(v1alpha1.ConditionRolledOut, false, heldOr(in, shard), fmt.Sprintf(
			"all %d nodes run revision %s; %d of %d Sentinels run theirs, %d agree", wished, shard.Revision,
			len(set.Nodes)-stale(set), set.Wanted, agreeing(sentinels(in.Snapshot)))+because(in.Plan))
	}
	if fresh == wished && len(all) == wished && serving(all) == wished {
		if byOutage(in.Snapshot) {
			return condition(v1alpha1.ConditionRolledOut, true, CompleteByOutage, outage(in.Snapshot.Policy))
		}
		return condition(v1alpha1.ConditionRolledOut, true, Complete, fmt.Sprintf("all %d nodes run revision %s", wished, shard.Revision))
	}
	return condition(v1alpha1.ConditionRolledOut, false, heldOr(in, shard),
		fmt.Sprintf("%d of %d nodes run revision %s, %d are in service", fresh, toRoll(in.Snapshot.Policy, shard), shard.Revision, serving(all))+because(in.Plan))
}

// heldOr is the reason of the first hold, if nothing but holds is due.
func heldOr(in Input, shard model.Shard) string {
	if h, held := firstHold(in.Plan); held && in.Plan.Steps[shard.Name] == nil {
		return string(h.Reason)
	}
	return InProgress
}

// byOutage says that a rollout restarts a node that nobody has taken over from.
func byOutage(snap model.Snapshot) bool {
	return snap.Topology == model.Standalone &&
		(snap.Policy.Surge == model.SurgeNever || snap.Policy.Strategy == model.StrategyRollingUpdate)
}

// outage is what each restart of a Standalone node costs that is given no extra one.
func outage(policy model.Policy) string {
	cost := "is an outage"
	if !policy.Durable {
		cost = "is an outage and loses its data, for it has no storage that outlives the pod"
	}
	return "the node runs the newest revision; without an extra pod (spec.rollout.surge) a Standalone node has nobody to hand over to, so each of its restarts " + cost
}

// grave are the holds that may well not end by themselves.
var grave = []model.Reason{model.TwoPrimaries, model.HistoryUnknown, model.PrimaryNotVisible, model.EvictionRefused,
	model.HandoverBackoff, model.QuorumLost, model.ShardLost, model.ForeignPrimary, model.SlotMoveFailed}

// degraded: something is wrong that needs time or help.
func degraded(in Input, shard model.Shard, failure *v1alpha1.HandoverFailure) metav1.Condition {
	if c, wrong := wrong(in); wrong {
		return c
	}
	if c, trouble := troubled(shard); trouble {
		return c
	}
	if c, failing := notPersisting(shard); failing {
		return c
	}
	if failure != nil {
		return handoverFailed(*failure)
	}
	return asWished()
}

// wrong is what stops the operator.
func wrong(in Input) (metav1.Condition, bool) {
	if in.Err != nil {
		return reconcileFailed(in.Err), true
	}
	for _, h := range in.Plan.Holds {
		if slices.Contains(grave, h.Reason) || awaitsLostCopy(in.Snapshot, h) {
			return condition(v1alpha1.ConditionDegraded, true, string(h.Reason), h.String()), true
		}
	}
	return metav1.Condition{}, false
}

// awaitsLostCopy says that a shard which has served has nobody in service, and waits for
// a node that may hold its newest data. A new one only waits for its pods to start.
func awaitsLostCopy(snap model.Snapshot, h model.Hold) bool {
	return h.Reason == model.WaitingForCopies && slices.ContainsFunc(snap.Shards, func(s model.Shard) bool {
		return s.Name == h.Shard && s.Memory.Formed
	})
}

// troubled is a node of the shard that does not run, or does not answer.
func troubled(shard model.Shard) (metav1.Condition, bool) {
	for _, n := range shard.Nodes {
		switch {
		case n.Down() && n.Trouble != "":
			return condition(v1alpha1.ConditionDegraded, true, NodeTrouble, n.Name+": "+n.Trouble), true
		case n.Phase == model.PodRunning && n.Admitted && !n.Server.Answered:
			return condition(v1alpha1.ConditionDegraded, true, NodeTrouble, n.Name+": its server does not answer"), true
		}
	}
	return metav1.Condition{}, false
}

// notPersisting are the nodes of the shard that cannot write to their volumes.
func notPersisting(shard model.Shard) (metav1.Condition, bool) {
	var failing []string
	for _, n := range shard.Nodes {
		if why := rollout.WhyNotPersisting(n); why != "" {
			failing = append(failing, n.Name+": "+why)
		}
	}
	return condition(v1alpha1.ConditionDegraded, true, string(model.NotPersisting), strings.Join(failing, "; ")), len(failing) > 0
}

func handoverFailed(f v1alpha1.HandoverFailure) metav1.Condition {
	return condition(v1alpha1.ConditionDegraded, true, HandoverFailed,
		fmt.Sprintf("%d handovers in a row failed, the last one with: %s", f.Count, f.Message))
}

func asWished() metav1.Condition {
	return condition(v1alpha1.ConditionDegraded, false, AsWished, "nothing is wrong")
}

func reconcileFailed(err error) metav1.Condition {
	return condition(v1alpha1.ConditionDegraded, true, ReconcileFailed, err.Error())
}

// because adds the holds to a sentence.
func because(plan model.Plan) string {
	if len(plan.Holds) == 0 {
		return ""
	}
	return ": " + allHolds(plan)
}

// allHolds says each of them once: shards may wait for the same thing.
func allHolds(plan model.Plan) string {
	parts := make([]string, 0, len(plan.Holds))
	for _, h := range plan.Holds {
		if text := h.String(); !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}
