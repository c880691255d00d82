package v1alpha1

// The keys of an instance's Secrets.
const (
	// UsernameKey in the users' Secret is the name of the ACL user.
	UsernameKey = "username"
	// PasswordKey in the users' Secret is the password of the user default.
	PasswordKey = "password"
	// OperatorPasswordKey in the system Secret is OperatorUser's password.
	OperatorPasswordKey = "operator-password"
	// ReplicationPasswordKey in the system Secret is ReplicationUser's password.
	ReplicationPasswordKey = "replication-password"
	// MigrationPasswordKey in the system Secret is MigrationUser's password. Only
	// topology Cluster has it.
	MigrationPasswordKey = "migration-password"
	// StopPasswordKey in the system Secret is StopUser's password. It is a file in the
	// pods of the servers.
	StopPasswordKey = "stop-password"
)

// AuthSecretName is the Secret with the password of the user default: the
// user's own, or the one that the operator makes.
func (v *Valkey) AuthSecretName() string {
	if v.Spec.Auth.SecretName != "" {
		return v.Spec.Auth.SecretName
	}
	return v.Name + "-auth"
}
