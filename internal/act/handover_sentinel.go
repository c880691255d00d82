package act

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
)

// sentinelPatience bounds how long writes may wait. A pause of about down-after would
// make the Sentinels elect a second primary: it stays far below.
func (a *Actor) sentinelPatience() time.Duration {
	return min(a.Valkey.Spec.Rollout.HandoverTimeoutOrDefault(), a.Valkey.Spec.Sentinel.DownAfterOrDefault()/2)
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// sentinelHandover lets the Sentinels move the role, and the traffic with it. Whom they
// choose among those that are as good as the target is theirs.
func (a *Actor) sentinelHandover(ctx context.Context, shard string, s model.Handover) (Outcome, error) {
	end, ok := a.Turns.Take()
	if !ok {
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.ServicesBusy, After: turnAgain,
			Detail: "another instance hands over; roles move one after another"}}}, nil
	}
	defer end()
	snap, _, err := a.again(ctx, shard, s)
	if err != nil {
		return Outcome{}, err
	}
	old, err := a.server(ctx, s.From)
	if err != nil {
		return Outcome{}, err
	}
	target, err := a.server(ctx, s.To)
	if err != nil {
		return Outcome{}, err
	}
	leaving := &departure{node: old}
	opt, err := a.sentinelOptions(ctx, s.From)
	if err != nil {
		return Outcome{}, err
	}
	if opt.TargetHost, opt.TargetPort, err = a.announced(ctx, s.To); err != nil {
		return Outcome{}, err
	}
	heirs := a.heirs(ctx, snap, s)
	opt.Candidates = heirs.candidates
	opt.Ready = a.stillQuiet(snap, shard)
	var routed time.Duration
	opt.OnMoved = func(ctx context.Context, host string) error {
		begun := time.Now()
		err := a.moveTraffic(ctx, heirs.at(host, s.To))
		routed = time.Since(begun)
		leaving.begin(context.WithoutCancel(ctx))
		return err
	}
	result, err := handover.Sentinel(ctx, old, target, a.sentinels(ctx, snap), opt)
	if errors.Is(err, handover.ErrGate) {
		return gated(shard, s, err), nil
	}
	s.To = heirs.at(result.TargetHost, s.To)
	out, err := ended(s, seen(snap, shard), result.Result, leaving.end(), err)
	out.Handover.Routed, out.Handover.Sentinel = routed, &result
	return out, err
}

// heirs are the replicas that may take over in the target's place.
type heirs struct {
	candidates []handover.Candidate
	byHost     map[string]model.Ref
}

// at is the node that Sentinels know by a name.
func (h heirs) at(host string, otherwise model.Ref) model.Ref {
	if ref, ok := h.byHost[host]; ok {
		return ref
	}
	return otherwise
}

func (a *Actor) heirs(ctx context.Context, snap model.Snapshot, s model.Handover) heirs {
	out := heirs{byHost: map[string]model.Ref{}}
	shard := snap.Shards[0]
	primary, ok := shard.Primary()
	for _, n := range shard.Nodes {
		if !ok || n.Ref == s.From || n.Ref == s.To || !heir(snap.Policy, shard, primary, n) {
			continue
		}
		node, err := a.server(ctx, n.Ref)
		if err != nil {
			continue
		}
		host, port, err := a.announced(ctx, n.Ref)
		if err != nil {
			continue
		}
		out.byHost[host] = n.Ref
		out.candidates = append(out.candidates, handover.Candidate{Server: node, Host: host, Port: port})
	}
	return out
}

// heir says that a replica may take over in the target's place: what the plan asks of a
// target. One that is to leave would soon hand over again: a primary that is on its way
// out has no choice.
func heir(policy model.Policy, shard model.Shard, primary, n model.Node) bool {
	leaves := n.Ordinal >= shard.Wished(policy) && primary.Phase != model.PodTerminating
	return !leaves && shard.Heir(primary, n) && model.Synced(primary, n, policy.MaxLag)
}

// sentinels are those that answer.
func (a *Actor) sentinels(ctx context.Context, snap model.Snapshot) []handover.SentinelServer {
	var out []handover.SentinelServer
	for _, n := range snap.Sentinels.Nodes {
		if !n.Answered {
			continue
		}
		if node, err := a.server(ctx, n.Ref); err == nil {
			out = append(out, node)
		}
	}
	return out
}
