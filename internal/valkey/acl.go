package valkey

import "strings"

// OperatorACL is what the operator's user may do on a data node, as ACL rules
// (without the user's name, state and password): the commands of this package,
// no key, no channel. HELLO and AUTH need no permission. The conformance tests
// hold both halves: every method works, and nothing else does.
var OperatorACL = []string{
	"resetkeys", "resetchannels", "-@all",
	"+info", "+role",
	"+replicaof", "+failover", "+replconf",
	"+client|list", "+client|kill", "+client|pause", "+client|unpause", "+client|setname",
	"+config|get", "+bgrewriteaof",
}

// ClusterOperatorACL is the same for a node of a cluster: FAILOVER and REPLICAOF
// are refused there anyhow, and what belongs to the cluster is allowed one
// subcommand at a time. There is no CLUSTER RESET, DELSLOTS or FLUSHSLOTS in it.
var ClusterOperatorACL = []string{
	"resetkeys", "resetchannels", "-@all",
	"+info", "+role", "+replconf",
	"+client|list", "+client|kill", "+client|setname",
	"+config|get", "+bgrewriteaof",
	"+cluster|nodes", "+cluster|info", "+cluster|myid",
	"+cluster|meet", "+cluster|forget", "+cluster|replicate", "+cluster|failover",
	"+cluster|addslotsrange", "+cluster|delslotsrange", "+cluster|set-config-epoch", "+cluster|bumpepoch",
	"+cluster|setslot", "+cluster|getkeysinslot", "+cluster|countkeysinslot",
	"+shutdown", "+flushall",
	"&" + NudgeChannel, "+publish",
}

// AtomicMigrationACL is added to ClusterOperatorACL on servers that have atomic
// slot migration, 9.0 and later: an older one does not start with a rule about a
// subcommand that it does not know.
var AtomicMigrationACL = []string{
	"+cluster|migrateslots", "+cluster|getslotmigrations", "+cluster|cancelslotmigrations",
}

// MigrationACL is what the user may do that classic MIGRATE runs as, at both ends
// (see Node.MigrateKeys). It touches all keys, so it is not the operator's own.
var MigrationACL = []string{
	"~*", "resetchannels", "-@all",
	"+migrate", "+select", "+restore-asking",
	"+client|setname",
}

// ReplicationACL is what the user may do with whose password replicas
// authenticate at their primary (primaryuser, primaryauth). FAILOVER needs no
// more: it is a PSYNC with another argument.
var ReplicationACL = []string{
	"resetkeys", "resetchannels", "-@all",
	"+psync", "+replconf", "+ping",
}

// AtomicReplicationACL is added to ReplicationACL in a cluster whose servers have
// atomic slot migration (9.0 and later). The source of a migration comes to its
// target as primaryuser, and the target runs all that it streams, the slots' keys
// and then every write to them, with that user's rights: without them the
// migration fails. It was a user who may read everything (PSYNC); so it is one who
// may write everything, too.
var AtomicReplicationACL = []string{
	"~*", "+cluster|syncslots", "+select", "+multi", "+exec",
	"+@write", "-flushall", "-flushdb", "-swapdb", "-migrate",
}

// StopACL is what the user may do that the preStop step of a pod logs in as: see who the
// server is, and since when. Added to it is how it gives its role away: FailoverACL, or in
// a cluster, at a replica, ClusterFailoverACL; beside Sentinels nothing.
var (
	StopACL            = []string{"resetkeys", "resetchannels", "-@all", "+info", "+client|list"}
	FailoverACL        = []string{"+failover"}
	ClusterFailoverACL = []string{"+cluster|failover"}
)

// ACLLine writes rules as a line of an ACL file, or as the value of a "user"
// line in valkey.conf without the word "user". passwordSHA256 is the password's
// SHA-256 in hexadecimal.
func ACLLine(user, passwordSHA256 string, rules []string) string {
	return strings.Join(append([]string{user, "on", "#" + passwordSHA256}, rules...), " ")
}
