package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// ErrNoPassword is wrapped by the error for a Secret of the user's own that is
// missing or has no password.
var ErrNoPassword = errors.New("no password")

type secrets struct {
	auth   *corev1.Secret
	system *corev1.Secret
}

// renderSecrets fills in what is missing and keeps every password that exists:
// servers that run know only that one. The files made from them follow.
func renderSecrets(v *v1alpha1.Valkey, in Inputs) (secrets, error) {
	var out secrets
	var password string
	if v.Spec.Auth.IsEnabled() {
		var err error
		if out.auth, password, err = authSecret(v, in); err != nil {
			return secrets{}, err
		}
	}
	var err error
	out.system, err = systemSecret(v, in, password)
	return out, err
}

// authSecret is the users' Secret and the password in it. The Secret is nil
// when the user brought one.
func authSecret(v *v1alpha1.Valkey, in Inputs) (*corev1.Secret, string, error) {
	if v.Spec.Auth.SecretName != "" {
		password := existing(in.Auth, v1alpha1.PasswordKey)
		if password == "" {
			return nil, "", fmt.Errorf("%w in Secret %s, which spec.auth.secretName names: create it with the key %s",
				ErrNoPassword, v.Spec.Auth.SecretName, v1alpha1.PasswordKey)
		}
		return nil, password, nil
	}
	password := cmp.Or(existing(in.Auth, v1alpha1.PasswordKey), in.Random.Default)
	if password == "" {
		return nil, "", fmt.Errorf("%w for the user default: Inputs.Random is empty", ErrNoPassword)
	}
	return &corev1.Secret{
		ObjectMeta: meta(v, v.AuthSecretName()),
		Type:       corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			v1alpha1.UsernameKey: []byte("default"),
			v1alpha1.PasswordKey: []byte(password),
		},
	}, password, nil
}

// systemSecret holds the passwords of the users of our own, and the files that
// servers read. An empty password lets everybody in as the user default.
func systemSecret(v *v1alpha1.Valkey, in Inputs, password string) (*corev1.Secret, error) {
	own := Passwords{
		Default:     password,
		Operator:    cmp.Or(existing(in.System, v1alpha1.OperatorPasswordKey), in.Random.Operator),
		Replication: cmp.Or(existing(in.System, v1alpha1.ReplicationPasswordKey), in.Random.Replication),
		Stop:        cmp.Or(existing(in.System, v1alpha1.StopPasswordKey), in.Random.Stop),
	}
	keys := map[string]string{v1alpha1.OperatorPasswordKey: own.Operator, v1alpha1.ReplicationPasswordKey: own.Replication,
		v1alpha1.StopPasswordKey: own.Stop}
	if v.Spec.IsCluster() {
		own.Migration = cmp.Or(existing(in.System, v1alpha1.MigrationPasswordKey), in.Random.Migration)
		keys[v1alpha1.MigrationPasswordKey] = own.Migration
	}
	if v.Spec.IsSentinel() {
		own.Sentinel = cmp.Or(existing(in.System, v1alpha1.SentinelPasswordKey), in.Random.Sentinel)
		keys[v1alpha1.SentinelPasswordKey] = own.Sentinel
	}
	out := &corev1.Secret{
		ObjectMeta: meta(v, v.SystemSecretName()),
		Type:       corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			authFile: []byte(fmt.Sprintf("primaryuser %s\nprimaryauth %s\n", v1alpha1.ReplicationUser, own.Replication)),
		},
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !oneWord(keys[key]) {
			return nil, fmt.Errorf("%w in Secret %s that valkey.conf can hold: %s must be letters and digits; delete the key to get a new one",
				ErrNoPassword, v.SystemSecretName(), key)
		}
		out.Data[key] = []byte(keys[key])
	}
	for file, content := range aclFiles(&v.Spec, own) {
		out.Data[file] = []byte(content)
	}
	if v.Spec.IsSentinel() {
		out.Data[sentinelAuthFile] = []byte(sentinelAuth(own))
		out.Data[sentinelACLFile] = []byte(sentinelUsers(own))
	}
	return out, nil
}

// aclFiles are the users that data servers know. They hold no password in clear
// text.
func aclFiles(s *v1alpha1.ValkeySpec, p Passwords) map[string]string {
	clients := clientUser(p, "~* &* +@all")
	replication := user(v1alpha1.ReplicationUser, p.Replication, valkey.ReplicationACL...)
	if s.IsSentinel() {
		operator := user(v1alpha1.OperatorUser, p.Operator, slices.Concat(valkey.OperatorACL, valkey.SentinelDataACL)...)
		sentinel := user(v1alpha1.SentinelUser, p.Sentinel, valkey.SentinelACL...)
		return map[string]string{aclFile: clients + operator + replication + sentinel + stopUser(p)}
	}
	if !s.IsCluster() {
		operator := user(v1alpha1.OperatorUser, p.Operator, valkey.OperatorACL...)
		return map[string]string{aclFile: clients + operator + replication + stopUser(p, valkey.FailoverACL...)}
	}
	migration := user(v1alpha1.MigrationUser, p.Migration, valkey.MigrationACL...)
	stop := stopUser(p, valkey.ClusterFailoverACL...)
	operator := user(v1alpha1.OperatorUser, p.Operator, valkey.ClusterOperatorACL...)
	newer := user(v1alpha1.OperatorUser, p.Operator, slices.Concat(valkey.ClusterOperatorACL, valkey.AtomicMigrationACL)...)
	newerReplication := user(v1alpha1.ReplicationUser, p.Replication, slices.Concat(valkey.ReplicationACL, valkey.AtomicReplicationACL)...)
	return map[string]string{
		aclFile:      clients + operator + replication + migration + stop,
		newerACLFile: clients + newer + newerReplication + migration + stop,
		heldACLFile:  clients + operator,
	}
}

// stopUser is the preStop step's.
func stopUser(p Passwords, rules ...string) string {
	return user(v1alpha1.StopUser, p.Stop, slices.Concat(valkey.StopACL, rules)...)
}

// clientUser is the user default. An empty password lets in everybody.
func clientUser(p Passwords, rules string) string {
	password := "nopass"
	if p.Default != "" {
		password = "#" + hash(p.Default)
	}
	return "user default reset on " + password + " " + rules + "\n"
}

// user of our own.
func user(name, password string, rules ...string) string {
	return "user " + valkey.ACLLine(name, hash(password), rules) + "\n"
}

func hash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

func existing(secret *corev1.Secret, key string) string {
	if secret == nil {
		return ""
	}
	return string(secret.Data[key])
}

// oneWord says that valkey.conf takes the text as one word without quotes.
func oneWord(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}
