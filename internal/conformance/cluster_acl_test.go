package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestOperatorsUserMayRunAClusterAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			c := FormCluster(t, Spec{Version: version}, 3, 1)
			everyClusterMethodWorks(t, c)
			refusedToUser(t, c.Shards[0][0], OperatorUser, [][]string{
				{"GET", "a"}, {"SET", "a", "b"}, {"KEYS", "*"}, {"SCAN", "0"}, {"CONFIG", "SET", "maxmemory", "1"},
				{"CONFIG", "REWRITE"}, {"EVAL", "return 1", "0"}, {"ACL", "SETUSER", "x"}, {"DEBUG", "SLEEP", "0"}, {"MONITOR"},
				{"SYNC"}, {"PSYNC", "?", "-1"}, {"REPLICAOF", "NO", "ONE"}, {"FAILOVER"}, {"MIGRATE", "h", "1", "k", "0", "1"},
				{"CLUSTER", "RESET"}, {"CLUSTER", "FLUSHSLOTS"}, {"CLUSTER", "DELSLOTS", "1"},
				{"CLUSTER", "SAVECONFIG"}, {"CLUSTER", "LINKS"}, {"CLIENT", "PAUSE", "1"},
				{"SUBSCRIBE", valkey.NudgeChannel}, {"PUBLISH", "c", "m"},
			})
			refusedToUser(t, c.Shards[0][0], MigrationUser, [][]string{
				{"GET", "a"}, {"SET", "a", "b"}, {"DEL", "a"}, {"DUMP", "a"}, {"RESTORE", "a", "0", "x"}, {"KEYS", "*"}, {"INFO"},
				{"CLUSTER", "NODES"}, {"CONFIG", "GET", "*"}, {"FLUSHALL"}, {"SHUTDOWN"}, {"EVAL", "return 1", "0"}, {"ACL", "LIST"},
			})
		})
	}
}

// everyClusterMethodWorks also tells what each refuses.
func everyClusterMethodWorks(t *testing.T, c *Cluster) {
	t.Helper()
	ctx := context.Background()
	first, replica, other := c.Shards[0][0], c.Shards[0][1], c.Shards[1][0]
	node := first.Node()
	const stranger = "0123456789abcdef0123456789abcdef01234567"
	rows := []struct {
		what string
		err  error
		want error // nil: it works
	}{
		{"Meet", node.Meet(ctx, other.Host, other.Port), nil},
		{"SetConfigEpoch, too late", node.SetConfigEpoch(ctx, 9), valkey.ErrEpochIsSet},
		{"AddSlots that somebody has", node.AddSlots(ctx, []valkey.SlotRange{{First: 0, Last: 1}}), valkey.ErrSlotBusy},
		{"DisownSlots of others", node.DisownSlots(ctx, []valkey.SlotRange{{First: 16000, Last: 16001}}), nil},
		{"BumpEpoch", node.BumpEpoch(ctx), nil},
		{"BumpEpoch of the highest", node.BumpEpoch(ctx), nil},
		{"Replicate a stranger", node.Replicate(ctx, stranger), valkey.ErrUnknownNode},
		{"Replicate itself", node.Replicate(ctx, first.ID()), valkey.ErrIsMyself},
		{"Replicate a replica", node.Replicate(ctx, replica.ID()), valkey.ErrTargetIsReplica},
		{"Replicate with slots", node.Replicate(ctx, other.ID()), valkey.ErrNotEmpty},
		{"Replicate whom it follows", replica.Node().Replicate(ctx, first.ID()), nil},
		{"Forget a stranger", node.Forget(ctx, stranger), valkey.ErrUnknownNode},
		{"Forget itself", node.Forget(ctx, first.ID()), valkey.ErrIsMyself},
		{"Forget its primary", replica.Node().Forget(ctx, first.ID()), valkey.ErrIsMyPrimary},
		{"ClusterFailover of a primary", node.ClusterFailover(ctx), valkey.ErrIsPrimary},
		{"ClusterFailoverForce of a primary", node.ClusterFailoverForce(ctx), valkey.ErrIsPrimary},
		{"ClusterFailoverTakeover of a primary", node.ClusterFailoverTakeover(ctx), valkey.ErrIsPrimary},
		{"SetSlotMigrating", node.SetSlotMigrating(ctx, 7, other.ID()), nil},
		{"SetSlotMigrating of a slot of others", node.SetSlotMigrating(ctx, 16000, other.ID()), valkey.ErrNotOwner},
		{"SetSlotMigrating to a stranger", node.SetSlotMigrating(ctx, 7, stranger), valkey.ErrUnknownNode},
		{"SetSlotMigrating to a replica", node.SetSlotMigrating(ctx, 7, replica.ID()), valkey.ErrTargetIsReplica},
		{"SetSlotImporting", other.Node().SetSlotImporting(ctx, 7, first.ID()), nil},
		{"SetSlotImporting of a slot it owns", node.SetSlotImporting(ctx, 7, other.ID()), valkey.ErrIsOwner},
		{"SetSlotStable", node.SetSlotStable(ctx, 7), nil},
		{"SetSlotStable at the target", other.Node().SetSlotStable(ctx, 7), nil},
		{"SetSlotNode", node.SetSlotNode(ctx, 7, first.ID()), nil},
		{"SetSlotNode of a replica", replica.Node().SetSlotNode(ctx, 7, first.ID()), valkey.ErrIsReplica},
		{"Nudge", node.Nudge(ctx, 100), nil},
		{"GetAck", replica.Node().GetAck(ctx, 1), nil},
	}
	for _, row := range rows {
		if row.want == nil && row.err != nil || row.want != nil && !errors.Is(row.err, row.want) {
			t.Errorf("%s: %v, want %v", row.what, row.err, row.want)
		}
	}
	clusterReadsWork(t, c)
	atomicMigrationIsKnown(t, c)
	keysAreCountedAndMoved(t, c)
	// Last, as it changes the cluster.
	empty := Start(t, first.Spec)
	if err := empty.Node().FlushAll(ctx); err != nil {
		t.Errorf("FlushAll: %v", err)
	}
	if err := empty.Node().Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	Eventually(t, "the server has ended", func() bool { return !empty.running() })
}

func clusterReadsWork(t *testing.T, c *Cluster) {
	t.Helper()
	ctx := context.Background()
	first := c.Shards[0][0]
	node := first.Node()
	id, err := node.MyID(ctx)
	if err != nil || id != first.ID() {
		t.Errorf("MyID: %q, %v", id, err)
	}
	Eventually(t, "one MEET too many leaves no node behind", func() bool {
		nodes, err := node.ClusterNodes(ctx)
		cluster, errInfo := node.ClusterInfo(ctx)
		if err = errors.Join(err, errInfo); err != nil {
			t.Fatal(err)
		}
		return cluster.OK && cluster.Size == 3 && cluster.KnownNodes == 6 && cluster.SlotsAssigned == valkey.Slots && len(nodes) == 6
	})
	info, err := node.Info(ctx)
	if err != nil || !info.ClusterEnabled || info.Role != valkey.RolePrimary {
		t.Errorf("Info: cluster enabled %t, %v", info.ClusterEnabled, err)
	}
}

func atomicMigrationIsKnown(t *testing.T, c *Cluster) {
	t.Helper()
	ctx := context.Background()
	node := c.Shards[0][0].Node()
	_, listErr := node.SlotMigrations(ctx)
	cancelErr := node.CancelSlotMigrations(ctx)
	moveErr := node.MigrateSlots(ctx, []valkey.SlotRange{{First: 16000, Last: 16001}}, c.Shards[1][0].ID())
	if !c.Shards[0][0].Spec.Version.movesSlotsAtomically() {
		if err := errors.Join(listErr, cancelErr, moveErr); strings.Count(err.Error(), valkey.ErrUnsupported.Error()) != 3 {
			t.Errorf("an older server: %v", err)
		}
		return
	}
	if listErr != nil || !errors.Is(cancelErr, valkey.ErrNoMigration) || !errors.Is(moveErr, valkey.ErrNotOwner) {
		t.Errorf("SlotMigrations %v, CancelSlotMigrations %v, MigrateSlots of others' slots %v", listErr, cancelErr, moveErr)
	}
}

func keysAreCountedAndMoved(t *testing.T, c *Cluster) {
	t.Helper()
	ctx := context.Background()
	source, target := c.Shards[0][0], c.Shards[1][0]
	tag := hashTag(c.SlotsOf(0), 1)
	slot := keySlot(strings.Trim(tag, "{}"))
	source.Must("SET", tag+"a", "1")
	source.Must("SET", tag+"b", "2")
	err := errors.Join(
		target.Node().SetSlotImporting(ctx, slot, source.ID()),
		source.Node().SetSlotMigrating(ctx, slot, target.ID()),
	)
	keys, keysErr := source.Node().KeysInSlot(ctx, slot, 10)
	count, countErr := source.Node().CountKeysInSlot(ctx, slot)
	if err = errors.Join(err, keysErr, countErr); err != nil || count != 2 || len(keys) != 2 {
		t.Fatalf("%d keys, %v: %v", count, keys, err)
	}
	if err := source.Node().SetSlotNode(ctx, slot, target.ID()); !errors.Is(err, valkey.ErrSlotHasKeys) {
		t.Errorf("a slot with keys is given away: %v", err)
	}
	err = errors.Join(
		source.MigrationNode().MigrateKeys(ctx, target.keyMigration(append(keys, tag+"gone")...)),
		target.Node().SetSlotNode(ctx, slot, target.ID()),
		source.Node().SetSlotNode(ctx, slot, target.ID()),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := target.Must("MGET", tag+"a", tag+"b"); got != "1\n2" {
		t.Errorf("moved keys are %q", got)
	}
}

// keyMigration to this server.
func (s *Server) keyMigration(keys ...string) valkey.KeyMigration {
	return valkey.KeyMigration{
		Host: s.Host, Port: s.Port, Keys: keys, Timeout: time.Second, User: MigrationUser, Password: Password,
	}
}
