package v1alpha1

import (
	"strconv"
	"strings"
)

// What the operator writes on the objects of an instance.
const (
	// RoleLabel of a pod is the role that its server gave when it was last in
	// service. Budgets select by it; the planner never reads it as the truth.
	RoleLabel = "valkeeper.io/role"
	// ShardLabel of a pod, and of a shard's StatefulSet and budget, is the number
	// of the shard. Only topology Cluster has it.
	ShardLabel = "valkeeper.io/shard"
	// InServiceGate is the readiness gate of a pod: true once its server is the
	// only primary or a synced replica. A pod without this condition has never
	// been in service.
	InServiceGate = "valkeeper.io/in-service"
	// ReplicaPingAnnotation of a pod says how often, in seconds, its server pings its
	// replicas: what they have not heard for less means nothing.
	ReplicaPingAnnotation = "valkeeper.io/replica-ping-seconds"
	// DrainingSinceAnnotation of a pod is when its clients began to be sent away
	// (RFC 3339 with nanoseconds).
	DrainingSinceAnnotation = "valkeeper.io/draining-since"
	// EvacuateAnnotation of a Kubernetes node, or of a pod, asks for primaries to leave
	// it, as a cordon does. Any value but false counts.
	EvacuateAnnotation = "valkeeper.io/evacuate"
	// RetriedAnnotation of a StatefulSet is when its controller was last asked to try again
	// to make a pod that is absent (RFC 3339).
	RetriedAnnotation = "valkeeper.io/retried-at"
	// OperatorUser is the ACL user that the operator logs in as.
	OperatorUser = "valkeeper"
	// ReplicationUser is the ACL user that replicas log in as at their primary.
	ReplicationUser = "replication"
	// MigrationUser is the ACL user that servers of a Cluster log in as where they
	// move keys to.
	MigrationUser = "migration"
	// StopUser is the ACL user that the preStop step of a server's pod logs in as, at its
	// own server and in a Cluster at the replicas.
	StopUser = "valkeeper-stop"
	// Slots is how many slots the keys of a Cluster fall into.
	Slots = 16384
	// Port that every server listens on.
	Port = 6379
	// DataVolume of a server's pod. Its claim is that name, a dash and the pod's.
	DataVolume = "data"
	// ContainerName of the server in its pod.
	ContainerName = "valkey"
	// ComponentLabel of a pod, and of all that belongs to pods of that kind, is what
	// they do: ComponentData or ComponentSentinel.
	ComponentLabel = "app.kubernetes.io/component"
	// ComponentData is that of the servers that hold data.
	ComponentData = "data"
	// ComponentSentinel is that of the Sentinels.
	ComponentSentinel = "sentinel"
	// ManagedBy is the value of app.kubernetes.io/managed-by and of
	// endpointslice.kubernetes.io/managed-by.
	ManagedBy = "valkeeper.io"
)

// OwnUsers are the ACL users for what belongs to the instance itself, beside the one that the
// operator logs in as. Their connections are not those of clients: nobody waits for them, or
// sends them away.
func OwnUsers() []string { return []string{ReplicationUser, MigrationUser, SentinelUser, StopUser} }

// PrimaryServiceName is the Service that writes go to.
func (v *Valkey) PrimaryServiceName() string { return v.Name + "-primary" }

// ReplicasServiceName is the Service that reads may go to.
func (v *Valkey) ReplicasServiceName() string { return v.Name + "-replicas" }

// ClusterServiceName is the Service that leads clients of a Cluster to any
// server in service, which then tells them of the others.
func (v *Valkey) ClusterServiceName() string { return v.Name + "-cluster" }

// NodesServiceName is the headless Service that gives each data pod its name.
func (v *Valkey) NodesServiceName() string { return v.Name + "-nodes" }

// NodeHostname is the name under which a data pod is known whatever its address.
func (v *Valkey) NodeHostname(pod string) string {
	return hostname(pod, v.NodesServiceName(), v.Namespace)
}

// hostname has no domain of the Kubernetes cluster, which nobody tells: pods
// search for it by themselves.
func hostname(pod, service, namespace string) string {
	return pod + "." + service + "." + namespace + ".svc"
}

// ShardName is the name of shard k and of its StatefulSet. All topologies but
// Cluster have shard 0 alone, which is named as the instance is.
func (v *Valkey) ShardName(k int) string {
	if !v.Spec.IsCluster() {
		return v.Name
	}
	return v.Name + "-shard-" + strconv.Itoa(k)
}

// ShardNumber is the reverse: the k of a name that ShardName gives for a Cluster.
func (v *Valkey) ShardNumber(name string) (k int, ok bool) {
	digits, ok := strings.CutPrefix(name, v.Name+"-shard-")
	if !ok || !v.Spec.IsCluster() {
		return 0, false
	}
	k, err := strconv.Atoi(digits)
	return k, err == nil && k >= 0 && v.ShardName(k) == name
}

// SystemSecretName is the Secret with the passwords of the users that are not
// for clients: the operator's and the servers' own.
func (v *Valkey) SystemSecretName() string { return v.Name + "-system" }

// PodSelector selects the data pods of the instance.
func (v *Valkey) PodSelector() map[string]string {
	out := v.InstanceSelector()
	out[ComponentLabel] = ComponentData
	return out
}

// InstanceSelector selects all that belongs to the instance, Sentinels and their
// objects included.
func (v *Valkey) InstanceSelector() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":     "valkey",
		"app.kubernetes.io/instance": v.Name,
	}
}
