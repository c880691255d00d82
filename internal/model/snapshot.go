package model

import "time"

// Topology is how the nodes of an instance divide the work.
type Topology string

// The topologies of an instance.
const (
	Standalone  Topology = "Standalone"
	Replication Topology = "Replication"
	Sentinel    Topology = "Sentinel"
	Cluster     Topology = "Cluster"
)

// Strategy is how stale nodes are brought up to date.
type Strategy string

const (
	// StrategyHandover restarts a primary only after its role has moved to a
	// fresh, synced replica. It is the default.
	StrategyHandover Strategy = "Handover"
	// StrategyRollingUpdate leaves the pods to the StatefulSet controller. It
	// is the users' opt-out: the write outage of each primary comes back.
	StrategyRollingUpdate Strategy = "RollingUpdate"
)

// Surge is when a rollout is given one extra node.
type Surge string

const (
	// SurgeAuto adds one where the rollout would otherwise leave a shard without a
	// second copy, or without a primary.
	SurgeAuto Surge = "Auto"
	// SurgeAlways adds one to every rollout.
	SurgeAlways Surge = "Always"
	// SurgeNever adds none: a primary with nobody to hand over to is restarted
	// with an outage.
	SurgeNever Surge = "Never"
)

// Snapshot is everything that one reconcile knows of one instance. The planner
// decides from it alone.
type Snapshot struct {
	Instance string // namespace/name
	Topology Topology
	// Formed is true once all of the instance has been complete: every shard has
	// had its primary, and every slot somebody who serves it.
	Formed bool
	Policy Policy
	Shards []Shard
	// Sentinels watch the only shard, in topology Sentinel.
	Sentinels SentinelSet
}

// Policy is what the user asked for, with every default filled in.
type Policy struct {
	Strategy Strategy
	// Paused stops the rollout, not the repairs.
	Paused bool
	// Nodes is the wished number of nodes in each shard: the primary and its
	// replicas.
	Nodes int
	// MaxLag is the number of bytes by which a synced replica's acknowledged
	// offset may trail its primary. Offsets that differ by less count as equal.
	MaxLag int64
	// ClientDrain bounds how long the clients of a node are waited for before
	// its pod is restarted.
	ClientDrain time.Duration
	// Durable says that a node's data outlive its pod (it has a volume).
	Durable bool
	// Surge is when one extra node is added.
	Surge Surge
	// DownAfter is how long a primary must have been silent, to us and to its
	// replicas, before another one is promoted in its place.
	DownAfter time.Duration

	// Shards is the wished number of shards; 1 but for a cluster.
	Shards int
	// ParallelShards is in how many shards a rollout may work at the same time.
	ParallelShards int
	// ReassignEmpty: the slots of a shard whose data are lost for good go to its
	// empty nodes without asking.
	ReassignEmpty bool
}

// Shard is a primary and its replicas. All topologies but Cluster have exactly one.
type Shard struct {
	Name string
	// Index is the shard's place among the shards of its instance, from 0.
	Index int
	// Leaving: there are to be fewer shards, and this is one too many.
	Leaving bool
	// Exists: there is a StatefulSet of its name.
	Exists bool
	// Revision is what a fresh pod carries in its controller-revision-hash. It
	// is empty until the StatefulSet's controller has seen the newest template.
	Revision string
	// Size is the number of pods that the StatefulSet is asked for now.
	Size int
	// Nodes holds one entry for each ordinal below Size, and one for each pod
	// beyond it that still exists, in order of the ordinal.
	Nodes []Node
	// Leftovers are the claims beyond Size.
	Leftovers []Leftover

	Memory  Memory
	Traffic Traffic
	Attempt Attempt
}

// Memory is what cannot be seen when every server is down, and is therefore
// kept in the resource's status.
type Memory struct {
	// Formed is true once the shard has had a primary in service. From then on
	// there is data to protect.
	Formed bool
	// Primary is the name of the last node seen as the only primary.
	Primary string
	// PrimaryID is the id by which the members of a cluster know it; empty elsewhere, and
	// when it was seen by an operator that did not keep it.
	PrimaryID string
	// History lists the replication ids of the primaries seen so far, newest
	// first. A copy with an older id is an older copy.
	History []string
	// Slots are those that the shard's primary served when it was last seen.
	Slots Slots
}

// ServiceMoves is how long after the write of an EndpointSlice new connections to its Service
// may still be led to where it led before: kube-proxy carries a change out within a good
// second (kubernetes v1.37 pkg/proxy/runner, minSyncPeriod).
const ServiceMoves = 1500 * time.Millisecond

// Traffic is where the Services point, and how long they have been left alone.
type Traffic struct {
	// Primary is the address behind the primary Service, empty for none.
	Primary string
	// Replicas are the addresses behind the replicas' Service, sorted.
	Replicas []string
	// Quiet is the time since kube-proxy last had to move any Service. It does so
	// at most once a second, so a role that moves just after another change
	// reaches its clients late.
	Quiet time.Duration
	// Waited is how long this shard has been waiting for a quiet second.
	Waited time.Duration
	// Left is the node that the role was last handed over from, empty for none, and
	// LeftFor how long ago that was.
	Left    string
	LeftFor time.Duration
}

// Lingers says that the primary Service may still lead clients to a node, from which the
// role has just been handed over; not by the clock of another operator that is ahead of ours.
func (t Traffic) Lingers(n Node) bool {
	return n.Name != "" && t.Left == n.Name && t.LeftFor >= 0 && t.LeftFor < ServiceMoves
}

// Attempt is what is remembered of handovers that failed, or could not begin.
type Attempt struct {
	// Failures counts the handovers that failed in a row.
	Failures int
	// Since is the time since the last one of them.
	Since time.Duration
	// Error is what it said.
	Error string
	// Refused is the handover that the servers were not ready for a moment ago, and
	// Gate what stood against it. Nothing was sent to them, so it has not failed.
	Refused Handover
	Gate    Hold
}

// PodPhase is what Kubernetes says of a node's pod.
type PodPhase int

// The phases of a pod that the engine tells apart.
const (
	PodAbsent PodPhase = iota
	PodPending
	PodRunning
	PodTerminating
)

// Role is a server's own answer, never a label, an ordinal or a memory.
type Role int

// The roles of a server. The zero value is Unknown on purpose.
const (
	RoleUnknown Role = iota
	RolePrimary
	RoleReplica
)

// String gives the role as it stands in status and labels.
func (r Role) String() string {
	switch r {
	case RolePrimary:
		return "primary"
	case RoleReplica:
		return "replica"
	case RoleUnknown:
		return "unknown"
	}
	return "unknown"
}

// Ref names one pod beyond doubt: a pod that has been replaced has another UID.
type Ref struct {
	Name    string
	UID     string
	Address string // host:port of its server
}

// Node is one Valkey server process and its pod.
type Node struct {
	Ref
	Ordinal int
	Host    string
	Zone    string

	Phase PodPhase
	// Ready is the pod's Ready condition.
	Ready bool
	// InService is our own condition on the pod: the readiness gate.
	InService bool
	// Admitted is true once the pod has ever been in service. A pod that never
	// was holds no acknowledged write that another node does not hold.
	Admitted bool
	// Revision is the pod's controller-revision-hash.
	Revision string
	// HostLost: Kubernetes has not heard of the pod's host for longer than a host
	// may be silent. Its server may run all the same.
	HostLost bool
	// Evacuate is why the node's host, or the pod itself, is to be left by
	// primaries: a cordon, a taint, a user's request. Empty when there is no reason.
	Evacuate string
	// AbsentFor is how long the pod has been absent, with the StatefulSet as it is now; 0
	// when it is there. Unknown, as after a restart of the operator, begins at 0.
	AbsentFor time.Duration
	// TerminatingFor is how long the pod has been on its way out.
	TerminatingFor time.Duration
	// SilentFor is how long the server has not answered us; 0 when it does. Unknown,
	// as after a restart of the operator, begins at 0.
	SilentFor time.Duration
	// Refuses: nobody listens at the server's address, or somebody on the way says
	// so. It takes a second witness to believe that the server has ended.
	Refuses bool
	// PingEvery is how often the server writes to its replicas when there is nothing
	// to replicate, 0 when that is not known: what they have not heard for less means
	// nothing.
	PingEvery time.Duration
	// Dead is positive evidence that no server process runs in this pod: its
	// container has terminated or never started, or the pod terminates and its
	// port refuses connections. A server that is merely silent is not dead.
	Dead bool
	// CannotStart: Kubernetes does not bring its server up as it is. No host takes the pod,
	// its image cannot be pulled, it crashes again and again. One that has just ended, and
	// is about to be started again, is only Dead.
	CannotStart bool
	// Trouble is why the pod does not run, or is not made, in the words of Kubernetes or
	// of the server's last lines. Empty when there is none.
	Trouble string
	// Blank: nothing can be on its volume. Its claim has never been bound, or was made
	// together with this pod, in which no server has ever started. Never true without
	// volumes.
	Blank bool
	// RoleLabel is the role in the pod's label, which budgets select by.
	RoleLabel Role

	// Draining is true once clients are being sent away, for DrainingFor.
	Draining    bool
	DrainingFor time.Duration

	Server Server
}

// Server is what the server itself said. The zero value is a silent server.
type Server struct {
	// Answered is false when the server did not answer; then nothing else in
	// here means anything.
	Answered bool
	Role     Role
	RunID    string
	Version  string
	// Uptime is how long its process has run, in whole seconds.
	Uptime  time.Duration
	Loading bool
	Keys    int64

	// ReplID and Offset are the history and the place in it of this copy;
	// ReplID2 is the history it continued, valid up to Offset2.
	ReplID  string
	ReplID2 string
	Offset  int64
	Offset2 int64

	// Follows is the address of the primary this replica is told to follow, or
	// Nobody. Empty for a primary.
	Follows string
	LinkUp  bool
	// LinkDown is how long the link to the primary has been down.
	LinkDown time.Duration
	// LastIO is how long ago a replica last heard from its primary over a link that
	// is up, or in a full synchronisation.
	LastIO time.Duration
	// Unlinked: a member of a cluster that is told to follow a primary and has not
	// been linked to it. What it holds may be what its disk held when it booted.
	Unlinked bool
	// Syncing is true during a full synchronisation.
	Syncing bool
	// Priority is a replica's replica-priority: with 0 no Sentinel promotes it.
	Priority int

	// Rewriting is true while the server writes an append-only file. While it
	// writes its first one, after a full synchronisation, it refuses to shut
	// down, and would be killed at the end of its grace period.
	Rewriting bool
	// LogTorn: a write to its append-only file has failed in between, and the server would not
	// read that file when it starts. It counts as Rewriting until it has been written anew.
	LogTorn bool
	// Rewrites counts the files that it has begun to write since its process started.
	Rewrites int64

	// Unsaved is what the server failed to write to its volume the last time it tried.
	Unsaved Unsaved
	// RefusesWrites: a primary refuses writes for that, and so would a replica if it
	// became one.
	RefusesWrites bool

	// FailingOver is true while a FAILOVER runs on this server: on a primary that
	// waits for its target to catch up, and on a replica that was that primary,
	// has demoted itself and asks its target to take over.
	FailingOver bool
	// PausedFor is for how much longer the server holds back writes because somebody
	// asked it to.
	PausedFor time.Duration
	// Acked holds, for a primary, the offsets its online replicas have
	// acknowledged, by address as it shows them.
	Acked map[string]int64
	// Clients counts the connections of users: normal and pubsub clients that
	// are neither ours nor replicas'. In a cluster, where clients keep their
	// connections to every member, only those that are not silent count.
	Clients int

	// Held is true for a former primary of a cluster that does not join it before
	// its copy has been compared: it runs outside, as a replica of nobody.
	Held bool
	// Cluster is what a member of a cluster says of it; nil for any other server.
	// A member that says it is a primary, owns no slot and is followed by nobody
	// serves nobody: its Role is RoleReplica, and it follows Nobody.
	Cluster *ClusterServer
}

// Nobody is the address that every server follows when it boots outside of a
// cluster: nothing listens there. A node that restarted therefore never serves as primary, nor
// does anybody synchronise from it, until its copy has been compared.
const Nobody = "127.0.0.1:1"
