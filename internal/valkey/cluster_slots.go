package valkey

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	client "github.com/valkey-io/valkey-go"
)

// The atomic way, which 9.0 brought: whole slots move in the background and change
// their owner at once. Older servers answer ErrUnsupported.

// SlotMigration is one line of the list that both ends keep of migrations, those
// under way and some of those that have ended. It is in memory only. A replica
// tells of its primary's imports, without the nodes' ids.
type SlotMigration struct {
	// Name is the job's own, the same at both ends.
	Name string
	// Operation is MigrationExport or MigrationImport.
	Operation          string
	Slots              []SlotRange
	SourceID, TargetID string
	// State is the server's word for where it is; see Ended.
	State string
	// Message says more, above all why it failed.
	Message string
	// Whole seconds since 1970, by the server's clock.
	CreatedAt, UpdatedAt, AckedAt int64
	// RemainingBytes are buffered at the source for the target.
	RemainingBytes int64
}

// What an end of a migration does.
const (
	MigrationExport = "EXPORT"
	MigrationImport = "IMPORT"
)

// The states in which a migration has ended (valkey 9.1 src/cluster_migrateslots.c
// slotMigrationJobStateToString).
const (
	MigrationSuccess   = "success"
	MigrationFailed    = "failed"
	MigrationCancelled = "cancelled"
)

// Ended says whether nothing more comes of it. A cancelled import that is
// "cleaning-up" has not ended.
func (m SlotMigration) Ended() bool {
	return m.State == MigrationSuccess || m.State == MigrationFailed || m.State == MigrationCancelled
}

// MigrateSlots begins to move slots of this primary to another. It returns when
// the job is noted; SlotMigrations shows what becomes of it. Refused while a slot
// of the list is on the move already (ErrMigrating).
func (n *Node) MigrateSlots(ctx context.Context, ranges []SlotRange, targetID string) error {
	args := append([]string{"CLUSTER", "MIGRATESLOTS", "SLOTSRANGE"}, slotArgs(ranges)...)
	return n.expectOK(ctx, append(args, "NODE", targetID)...)
}

// SlotMigrations lists what the node knows of, the newest first.
func (n *Node) SlotMigrations(ctx context.Context) ([]SlotMigration, error) {
	const command = "CLUSTER GETSLOTMIGRATIONS"
	result, err := n.read(ctx, "CLUSTER", "GETSLOTMIGRATIONS")
	if err != nil {
		return nil, err
	}
	items, err := result.ToArray()
	if err != nil {
		return nil, wrap(n.addr, command, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	var jobs []SlotMigration
	for _, item := range items {
		job, err := parseSlotMigration(item)
		if err != nil {
			return nil, wrap(n.addr, command, fmt.Errorf("%w: %w", ErrMalformed, err))
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// CancelSlotMigrations ends all exports of this node; its imports are for their
// sources to cancel. ErrNoMigration if there is none.
func (n *Node) CancelSlotMigrations(ctx context.Context) error {
	return n.expectOK(ctx, "CLUSTER", "CANCELSLOTMIGRATIONS")
}

// parseSlotMigration reads one map, which comes as names and values in turn.
func parseSlotMigration(item client.ValkeyMessage) (SlotMigration, error) {
	words, numbers, err := flatMap(item)
	if err != nil {
		return SlotMigration{}, err
	}
	job := SlotMigration{
		Name: words["name"], Operation: words["operation"],
		SourceID: words["source_node"], TargetID: words["target_node"],
		State: words["state"], Message: words["message"],
		CreatedAt: numbers["create_time"], UpdatedAt: numbers["last_update_time"], AckedAt: numbers["last_ack_time"],
		RemainingBytes: numbers["remaining_repl_size"],
	}
	if job.Name == "" || job.State == "" || (job.Operation != MigrationExport && job.Operation != MigrationImport) {
		return job, fmt.Errorf("slot migration %v", words)
	}
	for word := range strings.FieldsSeq(words["slot_ranges"]) {
		r, err := parseSlotRange(word)
		if err != nil {
			return job, err
		}
		job.Slots = append(job.Slots, r)
	}
	return job, nil
}

func flatMap(item client.ValkeyMessage) (words map[string]string, numbers map[string]int64, err error) {
	items, err := item.ToArray()
	if err != nil || len(items)%2 != 0 {
		return nil, nil, errors.Join(errors.New("not a map"), err)
	}
	words, numbers = map[string]string{}, map[string]int64{}
	for i := 0; i < len(items); i += 2 {
		name, err := items[i].ToString()
		if err != nil {
			return nil, nil, err
		}
		if number, err := items[i+1].ToInt64(); err == nil {
			numbers[name] = number
			continue
		}
		if words[name], err = items[i+1].ToString(); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return words, numbers, nil
}

// The classic way, key by key: the slot is opened at both ends, first at the
// target, its keys are moved, and it is given to the target at both, first there.

// SetSlotImporting opens a slot at the target: it then serves clients that ask
// for one command (ASKING).
func (n *Node) SetSlotImporting(ctx context.Context, slot int, fromID string) error {
	return n.setSlot(ctx, slot, "IMPORTING", fromID)
}

// SetSlotMigrating opens a slot at the source: it then sends clients on (ASK) for
// keys that it does not have.
func (n *Node) SetSlotMigrating(ctx context.Context, slot int, toID string) error {
	return n.setSlot(ctx, slot, "MIGRATING", toID)
}

// SetSlotNode gives the slot to a node, as far as the asked one is concerned. The
// target of an import so takes it for itself, with a new configuration epoch that
// all others believe. The source refuses while it has keys of it (ErrSlotHasKeys).
func (n *Node) SetSlotNode(ctx context.Context, slot int, id string) error {
	return n.setSlot(ctx, slot, "NODE", id)
}

// SetSlotStable closes an open slot. Nobody moves the keys back.
func (n *Node) SetSlotStable(ctx context.Context, slot int) error {
	return n.setSlot(ctx, slot, "STABLE")
}

// setSlot: the server tells its replicas first and waits until all that are online
// have acknowledged it; how long is for us to say, and less than we wait
// ourselves. When that time is over it has done nothing, and says ErrNoReplicas;
// its replicas may have (valkey 9.1 src/cluster_legacy.c clusterCommandSetSlot).
func (n *Node) setSlot(ctx context.Context, slot int, action ...string) error {
	args := append([]string{"CLUSTER", "SETSLOT", strconv.Itoa(slot)}, action...)
	limit := max(n.dialer.CommandTimeout.Milliseconds()*3/4, 1)
	return n.expectOK(ctx, append(args, "TIMEOUT", strconv.FormatInt(limit, 10))...)
}

// KeysInSlot names up to count keys of a slot that this node holds.
func (n *Node) KeysInSlot(ctx context.Context, slot, count int) ([]string, error) {
	result, err := n.read(ctx, "CLUSTER", "GETKEYSINSLOT", strconv.Itoa(slot), strconv.Itoa(count))
	if err != nil {
		return nil, err
	}
	keys, err := result.AsStrSlice()
	if err != nil {
		return nil, wrap(n.addr, "CLUSTER GETKEYSINSLOT", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return keys, nil
}

// CountKeysInSlot counts the keys of a slot that this node holds.
func (n *Node) CountKeysInSlot(ctx context.Context, slot int) (int, error) {
	result, err := n.read(ctx, "CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(slot))
	if err != nil {
		return 0, err
	}
	count, err := result.ToInt64()
	if err != nil {
		return 0, wrap(n.addr, "CLUSTER COUNTKEYSINSLOT", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return int(count), nil
}

// KeyMigration is what MigrateKeys moves, and where to.
type KeyMigration struct {
	Host string
	Port int
	Keys []string
	// Timeout of each read and write between the servers. The source does nothing
	// else while it moves keys: keep it short, and the keys few.
	Timeout time.Duration
	// User and Password for the target (see MigrationACL).
	User, Password string
	// Replace overwrites what the target has; see MigrateKeys.
	Replace bool
}

// MigrateKeys moves keys of an open slot to the slot's target. It is for a Node
// that was dialled as the migration user, with a CommandTimeout well above the
// migration's: the operator's user touches no key. Keys that are not there any
// more are no error.
//
// An error leaves each key at the source, or at the target, or (its answer was
// lost: ErrMigrateIO, ErrTimeout) at both, and then the source's is the one that
// clients read and write. Asked again without Replace, the target refuses those
// (ErrKeyExists), and nothing is overwritten. With Replace they move, and that is
// right only if
//
//   - the source has been the slot's one primary since it was opened: a replica
//     that was promoted may have missed the key's removal, and the target's copy
//     is then the newer one; and
//   - no earlier MIGRATE may still be on its way: one that the target reads late
//     would overwrite, with Replace, what clients have written there since. So
//     the connections of the migration user at the target are killed first.
func (n *Node) MigrateKeys(ctx context.Context, m KeyMigration) error {
	args := []string{"MIGRATE", m.Host, strconv.Itoa(m.Port), "", "0", strconv.FormatInt(max(m.Timeout.Milliseconds(), 1), 10)}
	if m.Replace {
		args = append(args, "REPLACE")
	}
	if m.Password != "" {
		args = append(args, "AUTH2", m.User, m.Password)
	}
	text, err := n.text(ctx, append(append(args, "KEYS"), m.Keys...)...)
	if err != nil {
		return err
	}
	if text != "OK" && text != "NOKEY" {
		return wrap(n.addr, "MIGRATE", fmt.Errorf("%w: %q", ErrMalformed, text))
	}
	return nil
}
