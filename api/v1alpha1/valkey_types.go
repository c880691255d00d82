package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Valkey is one instance of Valkey: its servers, how they share the work, and
// how they are restarted.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=vk,categories=all
// +kubebuilder:printcolumn:name="Topology",type=string,JSONPath=`.spec.topology`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.ready`
// +kubebuilder:printcolumn:name="Shards",type=string,JSONPath=`.status.shardsReady`
// +kubebuilder:printcolumn:name="Slots",type=string,JSONPath=`.status.slots`
// +kubebuilder:printcolumn:name="Sentinels",type=string,JSONPath=`.status.sentinelsReady`
// +kubebuilder:printcolumn:name="Primary",type=string,JSONPath=`.status.primary`
// +kubebuilder:printcolumn:name="Rollout",type=string,JSONPath=`.status.rollout`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40",message="metadata.name may have at most 40 characters, because the names and labels made from it (such as <name>-shard-63-8 and the revision of a pod) end at 63: choose a shorter name"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS label, because Services are named after it: begin with a letter, then lower case letters, digits and '-', and no dots"
type Valkey struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the wished state of the instance.
	// +required
	Spec ValkeySpec `json:"spec"`
	// status is the state that was seen last, written by the operator.
	// +optional
	Status ValkeyStatus `json:"status,omitzero"`
}

// ValkeyList is a list of Valkey.
//
// +kubebuilder:object:root=true
type ValkeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Valkey `json:"items"`
}

// Topology is how the servers of an instance share the work.
//
// +kubebuilder:validation:Enum=Standalone;Replication;Sentinel;Cluster
type Topology string

// The topologies.
const (
	TopologyStandalone  Topology = "Standalone"
	TopologyReplication Topology = "Replication"
	TopologySentinel    Topology = "Sentinel"
	TopologyCluster     Topology = "Cluster"
)

// ValkeySpec is what the user wishes for.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.image) && has(self.version))",message="set spec.version or spec.image, not both: version picks the operator's image of that version, image names one in full"
// +kubebuilder:validation:XValidation:rule="self.topology != 'Standalone' || !has(self.replicas) || self.replicas == 0",message="spec.replicas must be 0 or left out with topology Standalone: for replicas use topology Replication"
// +kubebuilder:validation:XValidation:rule="self.topology != 'Replication' || !has(self.replicas) || self.replicas >= 1",message="spec.replicas must be at least 1 with topology Replication (it does not count the primary): for a single server use topology Standalone"
// +kubebuilder:validation:XValidation:rule="self.topology != 'Sentinel' || !has(self.replicas) || self.replicas >= 1",message="spec.replicas must be at least 1 with topology Sentinel (it counts the replicas of the primary, not the Sentinels): without a replica Sentinels have nobody to fail over to"
// +kubebuilder:validation:XValidation:rule="self.topology != 'Cluster' || !has(self.replicas) || self.replicas >= 1",message="spec.replicas must be at least 1 with topology Cluster (it counts the replicas of each shard's primary, not the primary itself): when a primary without a replica is lost, nobody takes over its slots"
// +kubebuilder:validation:XValidation:rule="self.topology == 'Cluster' || !has(self.shards)",message="spec.shards is only for topology Cluster: remove it, or create an instance of topology Cluster"
// +kubebuilder:validation:XValidation:rule="self.topology == 'Cluster' || !has(self.rollout) || !has(self.rollout.maxParallelShards) || self.rollout.maxParallelShards == 1",message="spec.rollout.maxParallelShards may be more than 1 only with topology Cluster, as other topologies have one shard: remove it"
// +kubebuilder:validation:XValidation:rule="!has(self.rollout) || !has(self.rollout.surge) || self.rollout.surge != 'Always' || !has(self.rollout.strategy) || self.rollout.strategy != 'RollingUpdate'",message="spec.rollout.surge cannot be Always with strategy RollingUpdate, which leaves the pods to their StatefulSet: set strategy to Handover, or remove surge"
// +kubebuilder:validation:XValidation:rule="self.topology == 'Cluster' || !has(self.recovery) || !has(self.recovery.onShardLoss)",message="spec.recovery.onShardLoss is only for topology Cluster, as other topologies have no slots to give away: remove it"
// +kubebuilder:validation:XValidation:rule="self.topology == 'Replication' || !has(self.recovery) || !has(self.recovery.downAfter)",message="spec.recovery.downAfter is only for topology Replication: remove it; Sentinels have spec.sentinel.downAfter, members of a Cluster cluster-node-timeout in spec.config, and a single server has nobody to be replaced by"
// +kubebuilder:validation:XValidation:rule="self.topology == 'Sentinel' || !has(self.sentinel)",message="spec.sentinel is only for topology Sentinel: remove it, or create an instance of topology Sentinel"
// +kubebuilder:validation:XValidation:rule="(has(self.sentinel) && has(self.sentinel.primaryName) ? self.sentinel.primaryName : 'mymaster') == (has(oldSelf.sentinel) && has(oldSelf.sentinel.primaryName) ? oldSelf.sentinel.primaryName : 'mymaster')",message="spec.sentinel.primaryName cannot be changed, because clients ask Sentinels for it (mymaster when it is not set): create another instance and copy the data"
// +kubebuilder:validation:XValidation:rule="self.topology == 'Cluster' || !has(self.config) || !self.config.exists(k, k.startsWith('cluster-'))",message="spec.config may set cluster-* only with topology Cluster: remove them"
// +kubebuilder:validation:XValidation:rule="self.topology != 'Cluster' || !has(self.config) || ((!('hz' in self.config) || self.config['hz'] == '10') && (!('dynamic-hz' in self.config) || self.config['dynamic-hz'] == 'no'))",message="spec.config may set hz only to 10 and dynamic-hz only to no with topology Cluster, because a failover that has failed ends when its target looks at the clock, and with other values the target may take over after its primary has taken writes again: remove them"
// +kubebuilder:validation:XValidation:rule="has(self.storage) == has(oldSelf.storage)",message="spec.storage cannot be added or removed later, because Kubernetes does not let a StatefulSet change its volumes: create another instance and copy the data"
// +kubebuilder:validation:XValidation:rule="!has(self.persistence) || !has(self.persistence.save) || (has(self.persistence.mode) ? self.persistence.mode == 'RDB' : has(self.storage))",message="spec.persistence.save is only for mode RDB: set spec.persistence.mode to RDB or remove save"
// +kubebuilder:validation:XValidation:rule="self.topology != 'Standalone' || !([oldSelf.?persistence.?mode.orValue(has(oldSelf.storage) ? 'RDB' : 'None'), self.?persistence.?mode.orValue(has(self.storage) ? 'RDB' : 'None')] in [['RDB', 'AOF'], ['AOF', 'RDB']])",message="spec.persistence.mode cannot change between RDB and AOF with topology Standalone, because a server reads only the file of its own mode and would start without the data: create another instance and copy the data"
type ValkeySpec struct {
	// topology is how the servers share the work. Standalone is one server, which
	// is given a second one while it is rolled (rollout.surge). Replication is a primary
	// and its replicas: its role is handed over to one of them before it restarts. Sentinel
	// is the same with Sentinels, who tell clients that ask them where the primary is, and
	// fail it over. Cluster divides the data among shards, each with a primary and
	// replicas of its own, for clients that know Valkey Cluster. It cannot be
	// changed later.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.topology cannot be changed: create another instance and copy the data"
	Topology Topology `json:"topology"`

	// version of Valkey, such as "9.1" or "8.1.4": the tag of an image in the
	// repository that the operator was started with (--image-repository). 9.1
	// when neither version nor image is set.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9][a-z0-9.-]*)?$`
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-7]|8[.]0)([.]|$|-)')",message="spec.version must be 8.1 or newer: handovers are not tested with older servers"
	Version string `json:"version,omitempty"`

	// image in full, in place of version. It needs what the official images have:
	// valkey-server, valkey-cli and a POSIX sh; and flock, without which nothing keeps
	// two servers off one volume when a pod is deleted by force.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^\s]+$`
	Image string `json:"image,omitempty"`

	// imagePullPolicy of the images of servers and Sentinels. Kubernetes decides
	// when it is not set.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// imagePullSecrets name Secrets for pulling the image.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// shards that the data are divided among, from 3 to 64; only with topology
	// Cluster, and 3 when not set. When it changes, slots move between the shards
	// while clients read and write; no server restarts for it.
	// +optional
	// +kubebuilder:validation:Maximum=64
	// +kubebuilder:validation:XValidation:rule="self >= 3",message="spec.shards must be at least 3: with fewer, the primaries that remain when one fails are no majority, and elect nobody"
	Shards *int32 `json:"shards,omitempty"`

	// replicas of each primary, not counting it. When not set: 2 with topology
	// Replication and Sentinel, 1 with Cluster.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=8
	Replicas *int32 `json:"replicas,omitempty"`

	// resources of each server's container. When there is a memory limit and
	// spec.config sets no maxmemory, maxmemory becomes three quarters of the
	// limit.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="spec.resources.claims is not supported: remove it"
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// storage of each server. Without it data live as long as the pod, in an
	// emptyDir. It cannot be changed later.
	// +optional
	Storage *Storage `json:"storage,omitempty"`

	// persistence is what a server writes to its storage.
	// +optional
	Persistence Persistence `json:"persistence,omitzero"`

	// config is further settings of valkey.conf, by name, such as maxmemory-policy:
	// allkeys-lru. A change reaches the servers by a rollout. Settings that the
	// operator owns are refused, with the reason, and those of Valkey Cluster (cluster-*)
	// with other topologies.
	// +optional
	Config Config `json:"config,omitempty"`

	// rollout is how a change reaches the servers.
	// +optional
	// +kubebuilder:default:={}
	Rollout Rollout `json:"rollout,omitzero"`

	// restartToken restarts every data server, in the usual order, when it changes.
	// Any text will do, such as the time. The annotation
	// kubectl.kubernetes.io/restartedAt on the resource does the same.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RestartToken string `json:"restartToken,omitempty"`

	// recovery is what may be done about what is lost: when a silent primary is
	// replaced, with topology Replication, and what becomes of the slots of lost
	// data, with topology Cluster.
	// +optional
	Recovery Recovery `json:"recovery,omitzero"`

	// sentinel is how many Sentinels there are, and when they act; only with topology
	// Sentinel.
	// +optional
	Sentinel Sentinel `json:"sentinel,omitzero"`

	// podDisruptionBudget protects the primary, the replicas and the Sentinels from
	// evictions: a drained host keeps its primaries until their roles have moved.
	// +optional
	// +kubebuilder:default:={}
	PodDisruptionBudget PodDisruptionBudget `json:"podDisruptionBudget,omitzero"`

	// scheduling is where servers and Sentinels may run. By default they spread over
	// hosts and zones as far as possible.
	// +optional
	Scheduling Scheduling `json:"scheduling,omitzero"`

	// podTemplate is what is added to the pods of servers and Sentinels.
	// +optional
	PodTemplate PodTemplate `json:"podTemplate,omitzero"`

	// auth is how clients prove who they are.
	// +optional
	// +kubebuilder:default:={}
	Auth Auth `json:"auth,omitzero"`

	// terminationGracePeriodSeconds is how long a pod may take to end before its server
	// is killed. When not set it is the sum of what a primary may take to hand over first,
	// if its pod is deleted (21 s), of the time that replicas get to catch up (10 s), of
	// the time that saving the data may take, of 5 s in a Cluster, and 10 s: from 41 to
	// 900. With less than that sum, a server that is slow to save may be killed while it does, but no
	// acknowledged write that a replica has is lost.
	// +optional
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=7200
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}
