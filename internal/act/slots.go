package act

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// moveTime is how long slots are moved key by key before the instance is looked
	// at again. A slot that is half moved then is gone on with.
	moveTime = 500 * time.Millisecond
	// moveKeys is how many keys one MIGRATE moves: the source does nothing else
	// meanwhile.
	moveKeys = 20
	// migrateTimeout bounds each read and write of a MIGRATE, in which the source
	// serves nobody; migrateAnswer is how long we wait for it ourselves.
	migrateTimeout = time.Second
	migrateAnswer  = 5 * time.Second
	// slotsAgain is when a move that the servers were not ready for comes again.
	slotsAgain = time.Second
)

// moveSlots begins a migration of all slots at once, or moves some of them key by
// key.
func (a *Actor) moveSlots(ctx context.Context, shard string, s model.MoveSlots) (Outcome, error) {
	from, err := a.server(ctx, s.From)
	if err != nil {
		return Outcome{}, err
	}
	if !s.Atomic {
		err = a.moveKeyByKey(ctx, s, from)
	} else if err = from.MigrateSlots(ctx, ranges(s.Slots), s.ToID); err == nil {
		failpoint.Reach(failpoint.MoveStarted)
	}
	switch {
	case errors.Is(err, valkey.ErrMigrating), errors.Is(err, valkey.ErrNoReplicas):
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.SlotsMoving, Node: s.From.Name, Detail: err.Error(), After: slotsAgain}}}, nil
	case errors.Is(err, valkey.ErrNotOwner):
		return Outcome{}, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	return Outcome{}, err
}

// mover moves slots key by key, one after the other.
type mover struct {
	step     model.MoveSlots
	from, to *valkey.Node
	// keys is the source, as the user that moves keys.
	keys   *valkey.Node
	others []*valkey.Node
	keyMigration
}

type keyMigration = valkey.KeyMigration

func (a *Actor) moveKeyByKey(ctx context.Context, s model.MoveSlots, from *valkey.Node) error {
	to, err := a.server(ctx, s.To)
	if err != nil {
		return err
	}
	host, port, err := splitAddress(s.To.Address)
	if err != nil {
		return err
	}
	dialer := valkey.Dialer{Username: a.Migration.Username, Password: a.Migration.Password, CommandTimeout: migrateAnswer}
	keys, err := dialer.Dial(ctx, s.From.Address)
	if err != nil {
		return err
	}
	defer keys.Close()
	m := mover{step: s, from: from, to: to, keys: keys, keyMigration: keyMigration{Host: host, Port: port, Timeout: migrateTimeout,
		User: a.Migration.Username, Password: a.Migration.Password}}
	for _, ref := range s.Others {
		if other, err := a.server(ctx, ref); err == nil {
			m.others = append(m.others, other)
		}
	}
	return m.run(ctx)
}

// run moves slots until the time is up.
func (m *mover) run(ctx context.Context) error {
	end := time.Now().Add(moveTime)
	for _, r := range m.step.Slots {
		for slot := r.First; slot <= r.Last; slot++ {
			done, err := m.move(ctx, slot, end)
			if err != nil {
				return fmt.Errorf("slot %d: %w", slot, err)
			}
			if !done || time.Now().After(end) {
				return nil
			}
		}
	}
	return nil
}

// move opens the slot at the target and then at the source, moves its keys, and
// gives it to the target. Each part may have been done before: by an operator that
// has died, or by ourselves when the time was up.
func (m *mover) move(ctx context.Context, slot int, end time.Time) (done bool, err error) {
	err = m.to.SetSlotImporting(ctx, slot, m.step.FromID)
	if errors.Is(err, valkey.ErrIsOwner) {
		return true, m.give(ctx, slot) // the others have not all heard of it
	}
	if err != nil {
		return false, err
	}
	failpoint.Reach(failpoint.SlotOpened)
	if err := m.from.SetSlotMigrating(ctx, slot, m.step.ToID); err != nil {
		return false, err
	}
	for {
		keys, err := m.from.KeysInSlot(ctx, slot, moveKeys)
		switch {
		case err != nil:
			return false, err
		case len(keys) == 0:
			return true, m.give(ctx, slot)
		case time.Now().After(end):
			return false, nil
		}
		if err := m.migrate(ctx, keys); err != nil {
			return false, err
		}
	}
}

// migrate moves keys. One that the target has already was moved, and not deleted
// at the source: the answer was lost, or the source died and its replica has not
// heard of the deletion. In the second case clients may have written to the
// target's copy in the milliseconds before; as with any other write to a server
// that dies before its replica has it, that one is lost. The source's copy is the
// one that clients see, so it wins.
func (m *mover) migrate(ctx context.Context, keys []string) error {
	m.Keys, m.Replace = keys, false
	err := m.keys.MigrateKeys(ctx, m.keyMigration)
	if !errors.Is(err, valkey.ErrKeyExists) {
		return err
	}
	// A MIGRATE that is still on its way would overwrite what comes after it.
	if _, err := m.to.KillUser(ctx, v1alpha1.MigrationUser); err != nil {
		return err
	}
	m.Replace = true
	return m.keys.MigrateKeys(ctx, m.keyMigration)
}

// give makes the target the owner: in its own eyes first, with an epoch that all
// others believe, then in those of the source. The others hear of it anyhow; told
// by us, they hear of it at once.
func (m *mover) give(ctx context.Context, slot int) error {
	if err := m.to.SetSlotNode(ctx, slot, m.step.ToID); err != nil {
		return err
	}
	failpoint.Reach(failpoint.SlotGiven)
	if err := m.from.SetSlotNode(ctx, slot, m.step.ToID); err != nil && !errors.Is(err, valkey.ErrIsReplica) {
		return err
	}
	for _, other := range m.others {
		_ = other.SetSlotNode(ctx, slot, m.step.ToID)
	}
	return nil
}
