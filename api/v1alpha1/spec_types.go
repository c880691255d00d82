package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Storage is a volume for each server.
//
// +kubebuilder:validation:XValidation:rule="self.size == oldSelf.size",message="spec.storage.size cannot be changed, because Kubernetes does not let a StatefulSet change its volumes: resize the PersistentVolumeClaims themselves, or create another instance and copy the data"
// +kubebuilder:validation:XValidation:rule="has(self.class) == has(oldSelf.class) && (!has(self.class) || self.class == oldSelf.class)",message="spec.storage.class cannot be changed, because Kubernetes does not let a StatefulSet change its volumes: create another instance and copy the data"
type Storage struct {
	// size of each server's volume, such as 10Gi.
	// +required
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="spec.storage.size must be more than 0, such as 10Gi"
	Size resource.Quantity `json:"size"`
	// class is the name of the StorageClass. The default class of the
	// Kubernetes cluster when not set.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Class *string `json:"class,omitempty"`
}

// PersistenceMode is what a server writes to its storage.
//
// +kubebuilder:validation:Enum=RDB;AOF;None
type PersistenceMode string

// The ways to persist.
const (
	// PersistenceRDB writes snapshots, now and then and when it shuts down.
	PersistenceRDB PersistenceMode = "RDB"
	// PersistenceAOF logs every write, and syncs the log once a second.
	PersistenceAOF PersistenceMode = "AOF"
	// PersistenceNone keeps the data in memory only.
	PersistenceNone PersistenceMode = "None"
)

// Persistence is what a server writes to its storage.
type Persistence struct {
	// mode is RDB (snapshots), AOF (a log of every write) or None. RDB when not
	// set and spec.storage is, None when neither is.
	// +optional
	Mode PersistenceMode `json:"mode,omitempty"`
	// save says when mode RDB writes a snapshot; any one rule suffices. When not
	// set: 1 change in an hour, 100 in 5 minutes, 10,000 in a minute, as Valkey
	// does.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Save []SaveRule `json:"save,omitempty"`
}

// SaveRule asks for a snapshot once there are that many changes in that time.
type SaveRule struct {
	// seconds since the last snapshot.
	// +required
	// +kubebuilder:validation:Minimum=1
	Seconds int32 `json:"seconds"`
	// changes since the last snapshot.
	// +required
	// +kubebuilder:validation:Minimum=1
	Changes int32 `json:"changes"`
}

// RolloutStrategy is how servers of an old revision are brought up to date.
//
// +kubebuilder:validation:Enum=Handover;RollingUpdate
type RolloutStrategy string

// The strategies.
const (
	StrategyHandover      RolloutStrategy = "Handover"
	StrategyRollingUpdate RolloutStrategy = "RollingUpdate"
)

// SurgeMode is when a rollout is given one extra server.
//
// +kubebuilder:validation:Enum=Auto;Always;Never
type SurgeMode string

// The ways to surge.
const (
	SurgeAuto   SurgeMode = "Auto"
	SurgeAlways SurgeMode = "Always"
	SurgeNever  SurgeMode = "Never"
)

// Rollout is how a change reaches the servers.
type Rollout struct {
	// strategy Handover restarts replicas first, moves the primary's role to one
	// of them without losing a write, and only then restarts the old primary.
	// RollingUpdate leaves the order to the StatefulSet: it is the way out, and
	// each primary's restart is a write outage.
	// +optional
	// +kubebuilder:default:=Handover
	Strategy RolloutStrategy `json:"strategy,omitempty"`
	// paused stops the rollout where it is. Repairs go on.
	// +optional
	Paused bool `json:"paused,omitempty"`
	// handoverTimeout bounds how long writes may wait during one handover, from
	// 1s to 60s. When it passes the handover is called off. With topology Cluster
	// the servers' own limit of 5s counts in its place.
	// +optional
	// +kubebuilder:default:="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('60s')",message="spec.rollout.handoverTimeout must be from 1s to 60s"
	HandoverTimeout *metav1.Duration `json:"handoverTimeout,omitempty"`
	// maxLag is by how many bytes a replica may trail its primary and still
	// count as synced. At least 65536.
	// +optional
	// +kubebuilder:default:=4194304
	// +kubebuilder:validation:Minimum=65536
	MaxLag *int64 `json:"maxLag,omitempty"`
	// clientDrain bounds how long clients of a server that is about to restart
	// are waited for after they were sent away, from 0s to 10m. In a Cluster it is
	// those who write, and have not learned yet where to.
	// +optional
	// +kubebuilder:default:="1m0s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('10m')",message="spec.rollout.clientDrain must be from 0s to 10m"
	ClientDrain *metav1.Duration `json:"clientDrain,omitempty"`
	// maxParallelShards is how many shards of a Cluster may be rolled at once,
	// from 1 to 64; 1 when not set. A shard in which anything is down counts as
	// one. Roles are handed over one after the other in any case.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	MaxParallelShards *int32 `json:"maxParallelShards,omitempty"`
	// surge adds one server of the new revision before the first restart, and takes
	// it away after the last, with its volume: in a Cluster, to each shard that is
	// rolled. If it never comes up, nothing else is touched. Auto, the default, does
	// so where there would otherwise be one copy left, or none to hand over to: with
	// topology Standalone, with one replica, and without persistence. It needs room
	// for one server more. With Never a Standalone is restarted with an outage. With
	// strategy RollingUpdate there is none.
	// +optional
	Surge SurgeMode `json:"surge,omitempty"`
}

// ShardLoss is what becomes of the slots of a shard that has lost every copy of
// its data.
//
// +kubebuilder:validation:Enum=Manual;ReassignEmpty
type ShardLoss string

// The ways to go on after the loss of a shard.
const (
	ShardLossManual        ShardLoss = "Manual"
	ShardLossReassignEmpty ShardLoss = "ReassignEmpty"
)

// Recovery is what may be done about a primary, or data, that are lost.
type Recovery struct {
	// onShardLoss, with topology Cluster, is what becomes of the slots of a shard
	// that has lost every copy of its data, as all of its pods have gone and their
	// data with them.
	// Manual, the default, shows the loss and leaves the slots without a server.
	// ReassignEmpty gives them to an empty server of the shard, so that they are
	// served again, without the keys that they held. A shard whose data are on
	// volumes is waited for in either case.
	// +optional
	OnShardLoss ShardLoss `json:"onShardLoss,omitempty"`
	// downAfter is for how long the operator and all replicas must have heard nothing
	// of a primary, with topology Replication, before a replica is promoted in its
	// place: from 3s to 10m, and 5s when not set. A server that has certainly ended is
	// not waited for. A server that stands still for longer, as in a slow command, is
	// replaced, and what it had acknowledged and not sent to a replica is lost.
	// Sentinels have sentinel.downAfter, and a Cluster has its node timeout.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('3s') && duration(self) <= duration('10m')",message="spec.recovery.downAfter must be from 3s to 10m"
	DownAfter *metav1.Duration `json:"downAfter,omitempty"`
}

// PodDisruptionBudget protects the primary, the replicas and the Sentinels from
// evictions.
type PodDisruptionBudget struct {
	// enabled makes one budget for the primary, which lets nobody go while it is one, and
	// one for the replicas, which lets one of them go at a time: of each shard with topology
	// Cluster. With topology Sentinel there is one for the Sentinels too. A Standalone has
	// the first alone, and none with rollout.surge Never or rollout.strategy RollingUpdate:
	// it could not hand over, and its budget would block every drain for ever.
	// +optional
	// +kubebuilder:default:=true
	Enabled *bool `json:"enabled,omitempty"`
}

// Scheduling is where the servers, and the Sentinels, may run.
type Scheduling struct {
	// nodeSelector picks hosts by their labels.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// tolerations of taints on hosts.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// affinity to hosts and other pods.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// topologySpreadConstraints replace the default ones, which spread the
	// servers over hosts and zones as far as possible, and the Sentinels likewise. A
	// constraint without a labelSelector gets that of the instance's servers, or
	// Sentinels.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// priorityClassName of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// PodTemplate is what is added to the pods of servers and Sentinels.
type PodTemplate struct {
	// labels for the pods. Those that the operator or Kubernetes own are
	// refused.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !(k in ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/managed-by', 'app.kubernetes.io/component', 'controller-revision-hash']) && !k.startsWith('valkeeper.io/') && !k.startsWith('statefulset.kubernetes.io/') && !k.startsWith('apps.kubernetes.io/'))",message="spec.podTemplate.labels may not set labels that the operator selects pods by (app.kubernetes.io/name, instance, managed-by and component, valkeeper.io/*) or that Kubernetes sets (controller-revision-hash, statefulset.kubernetes.io/*, apps.kubernetes.io/*): use other names"
	Labels map[string]string `json:"labels,omitempty"`
	// annotations for the pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('valkeeper.io/') && k != 'kubectl.kubernetes.io/restartedAt')",message="spec.podTemplate.annotations may not set valkeeper.io/* or kubectl.kubernetes.io/restartedAt, which are the operator's: to restart the servers change spec.restartToken"
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Auth is how clients prove who they are.
//
// +kubebuilder:validation:XValidation:rule="!has(self.secretName) || !has(self.enabled) || self.enabled",message="spec.auth.secretName has no use while spec.auth.enabled is false: remove one of them"
type Auth struct {
	// enabled asks clients for the password of the user default. The operator and
	// the servers among each other have users of their own in any case.
	// +optional
	// +kubebuilder:default:=true
	Enabled *bool `json:"enabled,omitempty"`
	// secretName is a Secret in the same namespace with the key password. When
	// not set, the operator makes the Secret <name>-auth with a random password.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SecretName string `json:"secretName,omitempty"`
}
