package status

import (
	"fmt"
	"strings"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// sentinels shows every Sentinel, whom it names, and what keeps it from agreeing with
// what the servers themselves say.
func sentinels(snap model.Snapshot) []v1alpha1.SentinelStatus {
	shard, set := snap.Shards[0], snap.Sentinels
	out := make([]v1alpha1.SentinelStatus, 0, len(set.Nodes))
	for _, n := range set.Nodes {
		s := v1alpha1.SentinelStatus{Name: n.Name, Revision: n.Revision, Fresh: set.Revision != "" && n.Revision == set.Revision,
			Ready: n.Ready, Host: n.Host, Version: n.Version}
		if n.Answered && n.Watch != nil {
			s.Monitors = nodeName(shard, n.Watch.Primary)
		}
		s.Message = dissent(shard, n)
		s.Agrees = s.Message == ""
		out = append(out, s)
	}
	return out
}

func nodeName(shard model.Shard, address string) string {
	for _, n := range shard.Nodes {
		if n.Address == address && address != "" {
			return n.Name
		}
	}
	return ""
}

// dissent is why a Sentinel does not agree; empty when it does.
func dissent(shard model.Shard, n model.SentinelNode) string {
	primary, ok := shard.Primary()
	switch {
	case n.Phase == model.PodAbsent && n.Trouble == "":
		return "its pod does not exist yet"
	case n.Phase == model.PodTerminating:
		return "its pod is terminating"
	case n.Trouble != "" && n.Down():
		return n.Trouble
	case !n.Answered:
		return "it does not answer"
	case n.Watch == nil:
		return "it monitors nobody yet"
	case n.Tilt:
		return "it is in TILT mode: its clock or its host has stood still"
	case n.Watch.FailingOver:
		return "it fails over"
	case !ok:
		return "the shard has no primary"
	case n.Watch.Primary != primary.Address:
		return fmt.Sprintf("it names %s as primary, and %s is", n.Watch.Primary, primary.Name)
	case n.Watch.Down:
		return "it does not reach " + primary.Name
	}
	return n.Watch.NoQuorum
}

// watching says how many Sentinels agree, of those wished for; empty where none are.
func watching(set model.SentinelSet, all []v1alpha1.SentinelStatus) string {
	if set.Wanted == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", agreeing(all), set.Wanted)
}

// agreeing counts the Sentinels that are Ready and name the primary.
func agreeing(all []v1alpha1.SentinelStatus) int {
	count := 0
	for _, s := range all {
		if s.Ready && s.Agrees {
			count++
		}
	}
	return count
}

// stale counts the Sentinels that do not run the newest revision.
func stale(set model.SentinelSet) int {
	count := 0
	for _, n := range set.Nodes {
		if n.Phase == model.PodAbsent || set.Stale(n) {
			count++
		}
	}
	return count
}

// sentinelsRolledOut says that all Sentinels run the newest revision and agree, or that
// there are to be none.
func sentinelsRolledOut(snap model.Snapshot) bool {
	set := snap.Sentinels
	return set.Wanted == 0 || set.Revision != "" && stale(set) == 0 && agreeing(sentinels(snap)) >= set.Wanted
}

// freshSentinels counts those that run the newest revision and agree.
func freshSentinels(snap model.Snapshot) int {
	count := 0
	for _, s := range sentinels(snap) {
		if s.Fresh && s.Ready && s.Agrees {
			count++
		}
	}
	return count
}

// dissenters are the Sentinels that do not agree, and why.
func dissenters(snap model.Snapshot) string {
	var parts []string
	for _, s := range sentinels(snap) {
		if !s.Ready || !s.Agrees {
			parts = append(parts, strings.TrimSuffix(s.Name+" ("+s.Message+")", " ()"))
		}
	}
	if missing := snap.Sentinels.Wanted - len(snap.Sentinels.Nodes); missing > 0 {
		parts = append(parts, fmt.Sprintf("%d that are not there yet", missing))
	}
	return strings.Join(parts, "; ")
}
