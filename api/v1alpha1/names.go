package v1alpha1

// What the operator writes on the objects of an instance.
const (
	// RoleLabel of a pod is the role that its server gave when it was last in
	// service. Budgets select by it; the planner never reads it as the truth.
	RoleLabel = "valkeeper.io/role"
	// InServiceGate is the readiness gate of a pod: true once its server is the
	// only primary or a synced replica. A pod without this condition has never
	// been in service.
	InServiceGate = "valkeeper.io/in-service"
	// DrainingSinceAnnotation of a pod is when its clients began to be sent away
	// (RFC 3339 with nanoseconds).
	DrainingSinceAnnotation = "valkeeper.io/draining-since"
	// OperatorUser is the ACL user that the operator logs in as.
	OperatorUser = "valkeeper"
	// ReplicationUser is the ACL user that replicas log in as at their primary.
	ReplicationUser = "replication"
	// Port that every server listens on.
	Port = 6379
	// ContainerName of the server in its pod.
	ContainerName = "valkey"
	// ManagedBy is the value of app.kubernetes.io/managed-by and of
	// endpointslice.kubernetes.io/managed-by.
	ManagedBy = "valkeeper.io"
)

// PrimaryServiceName is the Service that writes go to.
func (v *Valkey) PrimaryServiceName() string { return v.Name + "-primary" }

// ReplicasServiceName is the Service that reads may go to.
func (v *Valkey) ReplicasServiceName() string { return v.Name + "-replicas" }

// SystemSecretName is the Secret with the passwords of the operator's and the
// replicas' users.
func (v *Valkey) SystemSecretName() string { return v.Name + "-system" }

// PodSelector selects the data pods of the instance.
func (v *Valkey) PodSelector() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":      "valkey",
		"app.kubernetes.io/instance":  v.Name,
		"app.kubernetes.io/component": "data",
	}
}
