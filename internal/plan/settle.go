package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// settle ends a state with two primaries: the one whom the primary Service has
// served all along stays, the others follow it. Without such a one nothing is
// decided here: a person has to say which copy counts.
func settle(rules topology.Rules, _ model.Policy, shard model.Shard) model.Decision {
	if d := rules.Settle(shard); d.Made() {
		return d
	}
	primaries := shard.Primaries()
	if len(primaries) < 2 {
		return model.Decision{}
	}
	names := make([]string, 0, len(primaries))
	for _, n := range primaries {
		names = append(names, n.Name)
	}
	two := model.Hold{Shard: shard.Name, Reason: model.TwoPrimaries,
		Detail: fmt.Sprintf("%s all say that they are primary", strings.Join(names, ", "))}
	if !rules.Routed() {
		two.Detail += "; whose slots are whose the servers settle by themselves: move the slots of all of them to one if this lasts"
		return model.Wait(two)
	}
	keep, ok := rightful(shard, primaries)
	if !ok {
		two.Detail += "; none of them is the one that the primary Service served: choose the one that is to stay, and run REPLICAOF with its address on the others, which give up what only they hold"
		return model.Wait(two)
	}
	for _, n := range primaries {
		if n.Name != keep.Name {
			return model.Decision{Holds: []model.Hold{two}, Step: model.Follow{Node: n.Ref, Primary: keep.Ref, Demotes: true,
				Why: "a second primary; clients are served by " + keep.Name}}
		}
	}
	return model.Wait(two)
}

// rightful is the primary that the Service points at; or else the one that the
// node there has handed its role to, by its own word; or else the one that
// carries the newest remembered history, or else continues it; or else the only one
// that has ever served.
func rightful(shard model.Shard, primaries []model.Node) (model.Node, bool) {
	for _, claim := range []func(model.Node) bool{
		func(n model.Node) bool { return n.Address == shard.Traffic.Primary },
		func(n model.Node) bool { return heirOfService(shard, n) },
		func(n model.Node) bool { return rankOf(shard, n.Server.ReplID, "") == newest },
		func(n model.Node) bool { return rankOf(shard, n.Server.ReplID, n.Server.ReplID2) == continued },
		shard.Served,
	} {
		if n, ok := only(primaries, claim); ok {
			return n, true
		}
	}
	return neverLedTo(shard, primaries)
}

// neverLedTo chooses among primaries that were promoted one after the other, each
// while the one before was silent, and before clients were led to any of them: all
// continue the same history, and the one with the most of it stays.
func neverLedTo(shard model.Shard, primaries []model.Node) (model.Node, bool) {
	for _, n := range primaries {
		if rankOf(shard, n.Server.ReplID, n.Server.ReplID2) != continued || n.Phase != model.PodRunning {
			return model.Node{}, false
		}
	}
	return mostComplete(primaries), true
}

// heirOfService says that the node at the Service's address follows n.
func heirOfService(shard model.Shard, n model.Node) bool {
	return slices.ContainsFunc(shard.Nodes, func(old model.Node) bool {
		return old.Address == shard.Traffic.Primary && old.Server.Role == model.RoleReplica && old.Server.Follows == n.Address
	})
}

// only is the one node that has the claim, if it runs: one on its way out keeps
// others from having it, and cannot be followed.
func only(nodes []model.Node, claim func(model.Node) bool) (model.Node, bool) {
	var having []model.Node
	for _, n := range nodes {
		if claim(n) {
			having = append(having, n)
		}
	}
	if len(having) != 1 || having[0].Phase != model.PodRunning {
		return model.Node{}, false
	}
	return having[0], true
}
