package valkey

import "errors"

// What a node of a cluster may refuse a command for. Use [errors.Is].
var (
	// ErrNoCluster: the server does not run in cluster mode.
	ErrNoCluster = errors.New("server is not in cluster mode")
	// ErrUnknownNode: the asked node knows no node with that id (yet, or any more).
	ErrUnknownNode = errors.New("node is not known to the asked one")
	// ErrIsMyself: the id is the asked node's own.
	ErrIsMyself = errors.New("that is the asked node itself")
	// ErrIsMyPrimary: a replica does not forget its primary.
	ErrIsMyPrimary = errors.New("a replica does not forget its primary")
	// ErrTargetIsReplica: the id is that of a replica, and a primary is needed.
	ErrTargetIsReplica = errors.New("the named node is a replica")
	// ErrNotEmpty: a primary with slots or keys does not become a replica.
	ErrNotEmpty = errors.New("node has slots or keys")
	// ErrEpochIsSet: only a fresh node, which knows no other, takes a configuration epoch.
	ErrEpochIsSet = errors.New("node is not fresh: it has an epoch or knows other nodes")
	// ErrPrimaryDown: a graceful failover needs the primary's help.
	ErrPrimaryDown = errors.New("the replica's primary is down or unknown")
	// ErrSlotBusy: somebody owns the slot, as far as the asked node knows.
	ErrSlotBusy = errors.New("slot has an owner")
	// ErrNotOwner: the asked node does not own the slot.
	ErrNotOwner = errors.New("slot is not owned by the asked node")
	// ErrIsOwner: the asked node owns the slot already.
	ErrIsOwner = errors.New("slot is owned by the asked node already")
	// ErrSlotHasKeys: the asked node holds keys of the slot.
	ErrSlotHasKeys = errors.New("node holds keys of the slot")
	// ErrMigrating: the slot, or another one, is on the move already.
	ErrMigrating = errors.New("a slot migration is under way")
	// ErrNoMigration: there is no migration to cancel.
	ErrNoMigration = errors.New("no slot migration is under way")
	// ErrNoReplicas: the replicas have not acknowledged in time, so nothing was done here.
	ErrNoReplicas = errors.New("replicas have not acknowledged in time")
	// ErrKeyExists: the target of a MIGRATE has a key of that name.
	ErrKeyExists = errors.New("target has the key already")
	// ErrMigrateIO: a MIGRATE has lost its target: keys may be in both places.
	ErrMigrateIO = errors.New("target of the migration is not reached")
)

// clusterReplyKinds: valkey 9.1 and 8.1 src/cluster_legacy.c
// clusterCommandSpecial and clusterParseSetSlotCommand, src/cluster.c
// clusterCommand and migrateCommand, src/cluster_migrateslots.c,
// src/server.c commandCheckExistence and createSharedObjects.
var clusterReplyKinds = []replyKind{
	{"cluster support disabled", ErrNoCluster},
	{"unknown subcommand", ErrUnsupported},
	{"unknown command", ErrUnsupported},
	{"Unknown node", ErrUnknownNode}, // and "Unknown node name:"
	{"I don't know about node", ErrUnknownNode},
	{"Invalid node name", ErrUnknownNode},
	{"I can't forget myself", ErrIsMyself},
	{"Can't replicate myself", ErrIsMyself},
	{"Target node is myself", ErrIsMyself},
	{"Target node can not be this node", ErrIsMyself},
	{"Can't forget my master", ErrIsMyPrimary},
	{"I can only replicate a master", ErrTargetIsReplica},
	{"Target node is not a master", ErrTargetIsReplica},
	{"To set a master the node must be empty", ErrNotEmpty},
	{"node does not know any other node", ErrEpochIsSet},
	{"Node config epoch is already non-zero", ErrEpochIsSet},
	{"You should send CLUSTER FAILOVER to a replica", ErrIsPrimary},
	{"Master is down or failed", ErrPrimaryDown},
	{"my master is unknown to me", ErrPrimaryDown},
	{"Please use SETSLOT only with masters", ErrIsReplica},
	{"Slot migration can only be used on primary nodes", ErrIsReplica},
	{"is already busy", ErrSlotBusy},
	{"I'm not the owner of hash slot", ErrNotOwner},
	{"Slots are not served by this node", ErrNotOwner},
	{"Requested slots span multiple shards", ErrNotOwner},
	{"has no node served", ErrNotOwner},
	{"I'm already the owner of hash slot", ErrIsOwner},
	{"while I still hold keys for this hash slot", ErrSlotHasKeys},
	{"I am already migrating slot", ErrMigrating},
	{"Slot import in progress", ErrMigrating},
	{"Slot export in progress", ErrMigrating},
	{"Slots are being manually", ErrMigrating},
	{"No migrations ongoing", ErrNoMigration},
	{"NOREPLICAS", ErrNoReplicas},
	{"BUSYKEY", ErrKeyExists},
	{"IOERR", ErrMigrateIO},
}
