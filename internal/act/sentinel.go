package act

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// askAgain is when Sentinels that would not promote anybody are asked again: they
// look at replicas once a second while the primary is down.
const askAgain = gateAgain

// performOnSentinels performs the steps that are about Sentinels.
func (a *Actor) performOnSentinels(ctx context.Context, step model.Step) error {
	switch s := step.(type) {
	case model.WatchPrimary:
		return a.watchPrimary(ctx, s)
	case model.SetWatch:
		return a.setWatch(ctx, s)
	case model.ResetWatch:
		return a.resetWatch(ctx, s)
	case model.Rank:
		return a.rank(ctx, s)
	case model.PauseWrites:
		return a.pauseWrites(ctx, s)
	case model.ScaleSentinels:
		return a.scale(ctx, s.Set, model.Scale{From: s.From, To: s.To})
	default:
		return fmt.Errorf("step %T is not about Sentinels", step)
	}
}

// watchPrimary lets a Sentinel watch the primary: one that watches nobody by public
// commands, one that names another as after a handover.
func (a *Actor) watchPrimary(ctx context.Context, s model.WatchPrimary) error {
	sentinel, err := a.server(ctx, s.Sentinel)
	if err != nil {
		return err
	}
	host, port, err := a.announced(ctx, s.Primary)
	if err != nil {
		return err
	}
	if s.Instead != "" {
		return a.tell(ctx, s, sentinel)
	}
	name := a.Valkey.Spec.Sentinel.PrimaryNameOrDefault()
	err = sentinel.SentinelMonitor(ctx, name, host, port, s.Settings.Quorum+1)
	if err != nil && !errors.Is(err, valkey.ErrPrimaryExists) {
		return err
	}
	failpoint.Reach(failpoint.SentinelMonitors)
	// An operator that dies here leaves a Sentinel that cannot log in. The quorum is told
	// last, and until then is none that was wished for: so it is told again (SetWatch).
	// What else MONITOR begins with may well be what is wished for.
	return a.setWatch(ctx, model.SetWatch{Sentinel: s.Sentinel, Settings: s.Settings})
}

// tell brings one Sentinel to name the primary.
func (a *Actor) tell(ctx context.Context, s model.WatchPrimary, sentinel *valkey.Node) error {
	primary, err := a.server(ctx, s.Primary)
	if err != nil {
		return err
	}
	opt, err := a.sentinelOptions(ctx, s.Primary)
	if err != nil {
		return err
	}
	opt.TargetHost, opt.TargetPort = opt.OldHost, opt.OldPort
	_, err = handover.TellSentinels(ctx, primary, []handover.SentinelServer{sentinel}, opt)
	return err
}

// setWatch tells a Sentinel how to watch. What it logs in with comes first: until it
// can, it finds the primary down.
func (a *Actor) setWatch(ctx context.Context, s model.SetWatch) error {
	sentinel, err := a.server(ctx, s.Sentinel)
	if err != nil {
		return err
	}
	settings := append(a.logsInWith(),
		valkey.Setting{Name: "failover-timeout", Value: millis(s.Settings.FailoverTimeout)},
		valkey.Setting{Name: "parallel-syncs", Value: "1"},
		valkey.Setting{Name: "down-after-milliseconds", Value: millis(s.Settings.DownAfter)},
		valkey.Setting{Name: "quorum", Value: strconv.Itoa(s.Settings.Quorum)})
	return sentinel.SentinelSet(ctx, a.Valkey.Spec.Sentinel.PrimaryNameOrDefault(), settings...)
}

// logsInWith is what a Sentinel needs on data nodes.
func (a *Actor) logsInWith() []valkey.Setting {
	if a.SentinelUser.Password == "" {
		return nil
	}
	return []valkey.Setting{{Name: "auth-user", Value: a.SentinelUser.Username}, {Name: "auth-pass", Value: a.SentinelUser.Password}}
}

// resetWatch makes a Sentinel look again at what there is.
func (a *Actor) resetWatch(ctx context.Context, s model.ResetWatch) error {
	sentinel, err := a.server(ctx, s.Sentinel)
	if err != nil {
		return err
	}
	return sentinel.SentinelReset(ctx, a.Valkey.Spec.Sentinel.PrimaryNameOrDefault())
}

// rank sets a node's replica-priority, until it boots.
func (a *Actor) rank(ctx context.Context, s model.Rank) error {
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return err
	}
	return node.SetReplicaPriority(ctx, s.Priority)
}

// pauseWrites holds back what a primary is sent. It ends by itself, or when the server is
// made to follow.
func (a *Actor) pauseWrites(ctx context.Context, s model.PauseWrites) error {
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return err
	}
	return node.PauseWrites(ctx, s.For)
}

// promoteBySentinel asks one Sentinel to fail over. The primary is none any more, so
// nothing can be lost by it.
func (a *Actor) promoteBySentinel(ctx context.Context, shard string, s model.Promote) (Outcome, error) {
	snap, _, err := a.again(ctx, shard, s)
	if err != nil {
		return Outcome{}, err
	}
	n, ok := snap.Sentinels.Asked(s.Node.Address)
	if !ok {
		return Outcome{}, fmt.Errorf("%w: no Sentinel answers", ErrChanged)
	}
	sentinel, err := a.server(ctx, n.Ref)
	if err != nil {
		return Outcome{}, err
	}
	err = sentinel.SentinelFailover(ctx, a.Valkey.Spec.Sentinel.PrimaryNameOrDefault())
	switch {
	case errors.Is(err, valkey.ErrSentinelBusy):
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.SentinelFailover, Node: n.Name, Detail: "it fails over", After: turnAgain}}}, nil
	case errors.Is(err, valkey.ErrNoGoodReplica):
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.NoGoodReplica, Node: n.Name, After: askAgain,
			Detail: "it sees no replica that it could promote"}}}, nil
	}
	return Outcome{}, err
}

// announced is the name and port that Sentinels and replicas know a data node by: what
// it says itself, as it may have been started with a name of another form.
func (a *Actor) announced(ctx context.Context, ref model.Ref) (host string, port int, err error) {
	node, err := a.server(ctx, ref)
	if err != nil {
		return "", 0, err
	}
	settings, err := node.ConfigGet(ctx, announceSetting)
	if err != nil {
		return "", 0, err
	}
	host = settings[announceSetting]
	if host == "" {
		return "", 0, fmt.Errorf("%s announces no name (%s): Sentinels would know it by an address that its next pod does not have", ref.Name, announceSetting)
	}
	return host, v1alpha1.Port, nil
}

// announceSetting is the server's setting with the name of its pod.
const announceSetting = "replica-announce-ip"

// sentinelOptions are those of everything that Sentinels are told.
func (a *Actor) sentinelOptions(ctx context.Context, from model.Ref) (handover.SentinelOptions, error) {
	host, port, err := a.announced(ctx, from)
	return handover.SentinelOptions{
		Options: handover.Options{
			MaxLag:  a.Valkey.Spec.Rollout.MaxLagOrDefault(),
			Timeout: a.sentinelPatience(),
			At:      reach,
		},
		Name:    a.Valkey.Spec.Sentinel.PrimaryNameOrDefault(),
		OldHost: host, OldPort: port,
		Settings: a.logsInWith(),
	}, err
}
