package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The types of the conditions.
const (
	// ConditionReady: the instance serves writes, and every wished server is in
	// service.
	ConditionReady = "Ready"
	// ConditionProgressing: the operator is at work, or waits for something that
	// it names.
	ConditionProgressing = "Progressing"
	// ConditionRolledOut: every server runs the newest revision.
	ConditionRolledOut = "RolledOut"
	// ConditionDegraded: something is wrong that needs time or help.
	ConditionDegraded = "Degraded"
)

// HistoryLimit is the number of replication ids kept in status.history.
const HistoryLimit = 16

// ValkeyStatus is what the operator saw last. It is rebuilt from what is seen,
// but for formed, lastPrimary, history, lastHandover, lastFailover and
// handoverFailure, of the instance or of its shards, and for the slots of a shard
// without a primary: those cannot be seen once every server is down.
type ValkeyStatus struct {
	// observedGeneration is the metadata.generation that the rest of the status
	// speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, Progressing, RolledOut and Degraded.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ready is how many servers are in service, of those wished for, such as "3/3".
	// +optional
	Ready string `json:"ready,omitempty"`
	// shardsReady is how many shards of a Cluster have all of their servers in
	// service, of those wished for, such as "3/3".
	// +optional
	ShardsReady string `json:"shardsReady,omitempty"`
	// slots is how many slots of a Cluster a primary serves, of all, such as
	// "16384/16384".
	// +optional
	Slots string `json:"slots,omitempty"`
	// sentinelsReady is how many Sentinels are in service and name the primary, of
	// those wished for, such as "3/3"; only with topology Sentinel.
	// +optional
	SentinelsReady string `json:"sentinelsReady,omitempty"`
	// primary is the pod whose server says that it is primary; empty for none or
	// several, and with topology Cluster, whose primaries are in shards.
	// +optional
	Primary string `json:"primary,omitempty"`
	// rollout is one line on how far the newest change has come, such as
	// "2/3 fresh", "Complete" or "Held: NotSynced valkey-1".
	// +optional
	Rollout string `json:"rollout,omitempty"`
	// updateRevision is the revision that a fresh pod runs. With topology Cluster
	// each shard has its own.
	// +optional
	UpdateRevision string `json:"updateRevision,omitempty"`
	// shards of a Cluster, in order.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	Shards []ShardStatus `json:"shards,omitempty"`
	// nodes are the servers, in order of their shard and ordinal.
	// +optional
	// +kubebuilder:validation:MaxItems=640
	// +listType=map
	// +listMapKey=name
	Nodes []NodeStatus `json:"nodes,omitempty"`
	// sentinels are the Sentinels, in order of their ordinal.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Sentinels []SentinelStatus `json:"sentinels,omitempty"`
	// formed is true once the instance has had a primary in service. From then
	// on there is data to protect. With topology Cluster each shard has its own, as
	// it has lastPrimary, history, lastHandover and handoverFailure.
	// +optional
	Formed bool `json:"formed,omitempty"`
	// lastPrimary is the pod last seen as the only primary.
	// +optional
	LastPrimary string `json:"lastPrimary,omitempty"`
	// history is the replication ids of the primaries so far, newest first. A
	// copy of the data with an older id is an older copy.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	History []string `json:"history,omitempty"`
	// lastHandover is the newest handover that succeeded.
	// +optional
	LastHandover *HandoverStatus `json:"lastHandover,omitempty"`
	// lastFailover is the newest promotion in the place of a primary that was lost
	// unplanned. It is not kept with topology Cluster.
	// +optional
	LastFailover *FailoverStatus `json:"lastFailover,omitempty"`
	// handoverFailure is set while the newest handover failed; the next one
	// waits longer each time.
	// +optional
	HandoverFailure *HandoverFailure `json:"handoverFailure,omitempty"`
}

// ShardStatus is one shard of a Cluster: a primary, its replicas and their slots.
type ShardStatus struct {
	// name of the shard and of its StatefulSet.
	// +required
	Name string `json:"name"`
	// primary is the pod whose server says that it is the shard's primary; empty
	// for none or several.
	// +optional
	Primary string `json:"primary,omitempty"`
	// ready is servers in service of servers wished for, such as "2/2".
	// +optional
	Ready string `json:"ready,omitempty"`
	// slots is how many slots the shard's primary owns.
	// +optional
	Slots int32 `json:"slots"`
	// slotRanges are those slots, such as "0-5460 10923".
	// +optional
	SlotRanges string `json:"slotRanges,omitempty"`
	// updateRevision is the revision that a fresh pod of the shard runs.
	// +optional
	UpdateRevision string `json:"updateRevision,omitempty"`
	// formed is true once the shard has had a primary with slots in service. From
	// then on there is data to protect.
	// +optional
	Formed bool `json:"formed,omitempty"`
	// lastPrimary is the pod last seen as the shard's only primary.
	// +optional
	LastPrimary string `json:"lastPrimary,omitempty"`
	// lastPrimaryID is the id by which the members of the cluster know it.
	// +optional
	LastPrimaryID string `json:"lastPrimaryID,omitempty"`
	// history is the replication ids of the shard's primaries so far, newest
	// first.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	History []string `json:"history,omitempty"`
	// lastHandover is the shard's newest handover that succeeded.
	// +optional
	LastHandover *HandoverStatus `json:"lastHandover,omitempty"`
	// handoverFailure is set while the shard's newest handover failed; the next
	// one waits longer each time.
	// +optional
	HandoverFailure *HandoverFailure `json:"handoverFailure,omitempty"`
}

// NodeRole is a server's role by its own answer.
//
// +kubebuilder:validation:Enum=primary;replica;unknown
type NodeRole string

// The roles.
const (
	RolePrimary NodeRole = "primary"
	RoleReplica NodeRole = "replica"
	RoleUnknown NodeRole = "unknown"
)

// NodeStatus is one server and its pod.
type NodeStatus struct {
	// name of the pod.
	// +required
	Name string `json:"name"`
	// shard that the pod belongs to, with topology Cluster.
	// +optional
	Shard string `json:"shard,omitempty"`
	// role is what the server itself says, unknown when it does not answer.
	// +required
	Role NodeRole `json:"role"`
	// revision is the pod's controller-revision-hash.
	// +optional
	Revision string `json:"revision,omitempty"`
	// fresh is true when revision is the newest one.
	// +optional
	Fresh bool `json:"fresh"`
	// ready is the pod's Ready condition.
	// +optional
	Ready bool `json:"ready"`
	// synced is true for a primary, and for a replica that could take over now.
	// +optional
	Synced bool `json:"synced"`
	// lagBytes is by how many bytes the replica trails its primary, as the
	// primary sees it. Absent for a primary, and when it is not known.
	// +optional
	LagBytes *int64 `json:"lagBytes,omitempty"`
	// host is the Kubernetes node that the pod runs on.
	// +optional
	Host string `json:"host,omitempty"`
	// zone of the host (topology.kubernetes.io/zone).
	// +optional
	Zone string `json:"zone,omitempty"`
	// version that the server says it runs.
	// +optional
	Version string `json:"version,omitempty"`
	// message is why the server is not in service, when it is not.
	// +optional
	Message string `json:"message,omitempty"`
}

// FailoverStatus is one promotion in the place of a primary that was lost.
type FailoverStatus struct {
	// from is the pod of the primary that was lost.
	// +required
	From string `json:"from"`
	// to is the pod that became primary.
	// +required
	To string `json:"to"`
	// time at which it had become primary.
	// +required
	Time metav1.MicroTime `json:"time"`
	// why is how the primary was lost, with what its replicas said, and why this one
	// took its place.
	// +required
	Why string `json:"why"`
}

// HandoverStatus is one handover that succeeded.
type HandoverStatus struct {
	// from is the pod that was primary.
	// +required
	From string `json:"from"`
	// to is the pod that became primary.
	// +required
	To string `json:"to"`
	// time at which the role had moved.
	// +required
	Time metav1.MicroTime `json:"time"`
	// switchMilliseconds is the time from the moment writes were held back until
	// the new primary said that it is one.
	// +optional
	SwitchMilliseconds *int64 `json:"switchMilliseconds,omitempty"`
}

// HandoverFailure is handovers that failed in a row.
type HandoverFailure struct {
	// time of the newest failure.
	// +required
	Time metav1.MicroTime `json:"time"`
	// count of failures in a row.
	// +required
	Count int32 `json:"count"`
	// message of the newest failure.
	// +optional
	Message string `json:"message,omitempty"`
}
