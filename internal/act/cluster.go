package act

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// electionWait is how long an election may take: a manual failover's own limit
	// is 5 s, and one that goes well takes some milliseconds.
	electionWait  = 3 * time.Second
	electionEvery = 10 * time.Millisecond
	// electionAgain is the wait before the next one: each request begins the
	// election anew, and so ends the one that runs.
	electionAgain = 3 * time.Second
)

// takeOver makes a replica ask for its primary's role, or take it, and waits until
// it has it.
func (a *Actor) takeOver(ctx context.Context, shard string, s model.Promote, node *valkey.Node, ask func(context.Context) error) (Outcome, error) {
	switch err := ask(ctx); {
	case errors.Is(err, valkey.ErrIsPrimary):
		return Outcome{}, fmt.Errorf("%w: %s is primary: %w", ErrChanged, s.Node.Name, err)
	case err != nil:
		return Outcome{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, electionWait)
	defer cancel()
	for {
		if role, err := node.Role(ctx); err == nil && role.Role == valkey.RolePrimary {
			failpoint.Reach(failpoint.Promoted)
			return Outcome{}, nil
		}
		select {
		case <-ctx.Done():
			return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.PrimaryNotVisible, Node: s.Node.Name, After: electionAgain,
				Detail: fmt.Sprintf("it was to become primary %s, and has not within %s", s.Means, electionWait)}}}, nil
		case <-time.After(electionEvery):
		}
	}
}

// replicate makes a member of the cluster follow its shard's primary. One that
// has to be empty for that is emptied: the primary was chosen after the copies
// had been compared. One that serves slots is left alone.
func (a *Actor) replicate(ctx context.Context, s model.Follow, node *valkey.Node) error {
	primary, err := a.server(ctx, s.Primary)
	if err != nil {
		return err
	}
	id, err := primary.MyID(ctx)
	if err != nil {
		return err
	}
	err = node.Replicate(ctx, id)
	if errors.Is(err, valkey.ErrNotEmpty) {
		if err := emptyUnlessServing(ctx, s.Node, node); err != nil {
			return err
		}
		err = node.Replicate(ctx, id)
	}
	if errors.Is(err, valkey.ErrUnknownNode) || errors.Is(err, valkey.ErrTargetIsReplica) {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	return err
}

func emptyUnlessServing(ctx context.Context, ref model.Ref, node *valkey.Node) error {
	nodes, err := node.ClusterNodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Myself && (n.CountSlots() > 0 || !n.Primary) {
			return fmt.Errorf("%w: %s serves %d slots", ErrChanged, ref.Name, n.CountSlots())
		}
	}
	if err := node.FlushAll(ctx); err != nil {
		return err
	}
	failpoint.Reach(failpoint.ClusterEmptied)
	return nil
}

// meet makes each node greet a member of the cluster. One that cannot keeps no
// other from it.
func (a *Actor) meet(ctx context.Context, s model.Meet) error {
	host, port, err := splitAddress(s.Via.Address)
	if err != nil {
		return err
	}
	var failed []error
	for _, ref := range s.Nodes {
		node, err := a.server(ctx, ref)
		if err == nil {
			err = node.Meet(ctx, host, port)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		failpoint.Reach(failpoint.ClusterMet)
	}
	return errors.Join(failed...)
}

// addSlots makes a node serve slots that nobody serves. Its epoch comes first:
// whoever dies in between has given nothing away that others would not believe.
func (a *Actor) addSlots(ctx context.Context, s model.AddSlots) error {
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return err
	}
	set := valkey.ErrEpochIsSet
	if s.Epoch > 0 {
		set = node.SetConfigEpoch(ctx, s.Epoch)
	}
	if errors.Is(set, valkey.ErrEpochIsSet) {
		set = node.BumpEpoch(ctx)
	}
	if set != nil {
		return set
	}
	err = node.AddSlots(ctx, ranges(s.Slots))
	if errors.Is(err, valkey.ErrSlotBusy) {
		if err := disownLost(ctx, node, s.Slots); err != nil {
			return err
		}
		err = node.AddSlots(ctx, ranges(s.Slots))
	}
	if errors.Is(err, valkey.ErrSlotBusy) {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if err != nil {
		return err
	}
	failpoint.Reach(failpoint.SlotsAdded)
	return nil
}

// disownLost makes a node give up the belief that members which have failed still
// serve slots: it would refuse them for ever.
func disownLost(ctx context.Context, node *valkey.Node, slots model.Slots) error {
	nodes, err := node.ClusterNodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		var theirs model.Slots
		for _, r := range n.Slots {
			theirs = append(theirs, model.SlotRange(r))
		}
		lost := model.NewSlots(theirs...).Both(slots)
		if !n.Fail || n.Myself || lost.Empty() {
			continue
		}
		if err := node.DisownSlots(ctx, ranges(lost)); err != nil {
			return err
		}
	}
	return nil
}

func ranges(slots model.Slots) []valkey.SlotRange {
	out := make([]valkey.SlotRange, 0, len(slots))
	for _, r := range slots {
		out = append(out, valkey.SlotRange{First: r.First, Last: r.Last})
	}
	return out
}

// release ends a server that was held back; its pod starts it as a member. Whoever
// has superseded it gets the highest epoch first.
func (a *Actor) release(ctx context.Context, s model.Release) error {
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return err
	}
	info, err := node.Info(ctx)
	if err != nil {
		return err
	}
	if info.ClusterEnabled { // it is not held back any more
		return fmt.Errorf("%w: %s is a member of the cluster", ErrChanged, s.Node.Name)
	}
	if s.Over != (model.Ref{}) {
		primary, err := a.server(ctx, s.Over)
		if err != nil {
			return err
		}
		if err := primary.BumpEpoch(ctx); err != nil {
			return err
		}
	}
	if err := node.Shutdown(ctx); err != nil {
		return err
	}
	a.Servers.Drop(s.Node.UID)
	failpoint.Reach(failpoint.ClusterReleased)
	return nil
}

// forget makes each node forget what it knows of those members. Whoever is told
// passes it on, so one that does not answer keeps nobody in memory.
func (a *Actor) forget(ctx context.Context, s model.Forget) error {
	var failed []error
	for _, ref := range s.At {
		node, err := a.server(ctx, ref)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, id := range s.IDs {
			if err := node.Forget(ctx, id); err != nil && !needNotForget(err) {
				failed = append(failed, err)
			}
		}
		failpoint.Reach(failpoint.ClusterForgotten)
	}
	return errors.Join(failed...)
}

// needNotForget: one of the nodes does not know the member, or it is itself, or
// follows it; another one of the shard was meant.
func needNotForget(err error) bool {
	return errors.Is(err, valkey.ErrUnknownNode) || errors.Is(err, valkey.ErrIsMyself) || errors.Is(err, valkey.ErrIsMyPrimary)
}

// cancelMoves calls off what a primary sends away.
func (a *Actor) cancelMoves(ctx context.Context, s model.CancelMoves) error {
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return err
	}
	err = node.CancelSlotMigrations(ctx)
	if errors.Is(err, valkey.ErrNoMigration) {
		return nil
	}
	return err
}
