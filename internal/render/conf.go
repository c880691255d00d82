package render

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	// Nobody is the primary that every server follows when it boots: an address
	// where nobody listens.
	Nobody = "127.0.0.1 1"

	confFolder   = "/etc/valkey"
	confFile     = "valkey.conf"
	secretFolder = "secret"
	aclFile      = "users.acl"
	// newerACLFile takes its place in a Cluster on servers from 9.0 on, which have
	// more commands: an older one does not start with a rule about those.
	newerACLFile = "users-9.acl"
	// heldACLFile takes its place while start.sh holds a server back: it knows no
	// user that servers log in as.
	heldACLFile = "users-held.acl"
	authFile    = "auth.conf"
	dataFolder  = "/data"
)

// ErrOwnedSetting is wrapped by the error for a spec.config that sets what the
// operator owns. The API server refuses such a resource too, if its CRD is as
// new as the operator.
var ErrOwnedSetting = errors.New("spec.config sets what the operator owns")

// setting is one line of valkey.conf.
type setting struct{ name, value string }

// serverConf is the valkey.conf of every server of an instance. Each setting in
// it is known to 8.1 and 9.1. The user's take the place of ours.
func serverConf(s *v1alpha1.ValkeySpec) (string, error) {
	user, err := userSettings(s)
	if err != nil {
		return "", err
	}
	ours := slices.Concat(identity(), guard(s), replication(s), persistence(s))
	ours = slices.DeleteFunc(ours, func(line setting) bool {
		_, replaced := s.Config[line.name]
		return replaced && line.name != addsUp
	})
	var b strings.Builder
	b.WriteString("# Written by Valkeeper. To change it, change the Valkey resource.\n")
	for _, line := range slices.Concat(ours, user) {
		fmt.Fprintf(&b, "%s %s\n", line.name, line.value)
	}
	return b.String(), nil
}

// addsUp is the setting whose lines each speak of some classes of clients, and
// leave the others as they are.
const addsUp = "client-output-buffer-limit"

// identity is how a server is reached and who may.
func identity() []setting {
	secret := confFolder + "/" + secretFolder + "/"
	return []setting{
		{"port", strconv.Itoa(v1alpha1.Port)},
		{"bind", "* -::*"},
		{"protected-mode", "no"}, // the users in the ACL file protect it
		{"tcp-keepalive", "60"},
		{"daemonize", "no"},
		{"dir", dataFolder},
		{"aclfile", secret + aclFile},
		{"include", secret + authFile},
	}
}

// guard is what a server is when it boots: a replica of nobody. A Cluster refuses
// replicaof, and start.sh is the guard (start.go).
//
// Sentinels choose nobody of priority 0: a server that has just booted is none to
// fail over to until the operator has compared its copy, and raised it. They send
// CONFIG REWRITE with each change of a role; it fails, as the file is on a volume
// that nobody can write to, and so the guard stands at the next start too.
func guard(s *v1alpha1.ValkeySpec) []setting {
	if s.IsCluster() {
		return clusterMode()
	}
	out := []setting{{"replicaof", Nobody}}
	if s.IsSentinel() {
		out = append(out, setting{"replica-priority", "0"})
	}
	return out
}

// replication is what makes a restarted server catch up soon.
func replication(s *v1alpha1.ValkeySpec) []setting {
	size := sizesFor(s.Resources)
	out := []setting{
		{"repl-diskless-sync", "yes"},
		{"repl-diskless-sync-delay", "0"}, // one replica restarts at a time
		{"repl-timeout", "60"},
		// A replica then knows within seconds that its primary is silent
		// (topology/witness.go).
		{replicaPingSetting, "1"},
		{"repl-backlog-size", bytes(size.backlog)},
		{addsUp, fmt.Sprintf("replica %d %d 120", size.bufferHard, size.bufferSoft)},
		{"shutdown-timeout", strconv.FormatInt(shutdownTimeout, 10)},
	}
	if size.maxMemory > 0 {
		out = append(out, setting{"maxmemory", bytes(size.maxMemory)})
	}
	return out
}

// replicaPingSetting is how often a primary writes to its replicas when there is
// nothing to replicate, in seconds. Older names are its aliases.
const replicaPingSetting = "repl-ping-replica-period"

// replicaPing is its value for the servers of an instance: the last line counts.
func replicaPing(s *v1alpha1.ValkeySpec) string {
	value := "1"
	for _, name := range slices.Sorted(maps.Keys(s.Config)) {
		if lower := strings.ToLower(name); lower == replicaPingSetting || lower == "repl-ping-slave-period" {
			value = string(s.Config[name])
		}
	}
	return value
}

// persistence is what a server writes to its storage.
func persistence(s *v1alpha1.ValkeySpec) []setting {
	switch s.PersistenceMode() {
	case v1alpha1.PersistenceAOF:
		return []setting{{"save", `""`}, {"appendonly", "yes"}, {"appendfsync", "everysec"}}
	case v1alpha1.PersistenceRDB:
		return []setting{{"save", saveRules(s.Persistence.Save)}, {"appendonly", "no"}}
	case v1alpha1.PersistenceNone:
		// The file of a full synchronisation goes too: it would be loaded at the
		// next start, long out of date.
		return []setting{{"save", `""`}, {"appendonly", "no"}, {"rdb-del-sync-files", "yes"}}
	}
	return nil
}

func saveRules(rules []v1alpha1.SaveRule) string {
	if len(rules) == 0 {
		return "3600 1 300 100 60 10000"
	}
	out := make([]string, 0, len(rules))
	for _, r := range rules {
		out = append(out, fmt.Sprintf("%d %d", r.Seconds, r.Changes))
	}
	return strings.Join(out, " ")
}

func userSettings(s *v1alpha1.ValkeySpec) ([]setting, error) {
	var out []setting
	for _, name := range slices.Sorted(maps.Keys(s.Config)) {
		value := string(s.Config[name])
		if owned, ok := v1alpha1.OwnerOf(strings.ToLower(name)); ok {
			return nil, fmt.Errorf("%w: %s: %s", ErrOwnedSetting, name, owned.Refusal())
		}
		if strings.HasPrefix(strings.ToLower(name), "cluster-") && !s.IsCluster() {
			return nil, fmt.Errorf("%w: %s: spec.config may set cluster-* only with topology Cluster: remove it", ErrOwnedSetting, name)
		}
		if only, fixed := v1alpha1.ClusterClock[strings.ToLower(name)]; fixed && s.IsCluster() && value != string(only) {
			return nil, fmt.Errorf("%w: %s: %s", ErrOwnedSetting, name, v1alpha1.ClusterClockRefusal)
		}
		if strings.ContainsFunc(name+value, unicode.IsControl) || strings.ContainsFunc(name, unicode.IsSpace) {
			return nil, fmt.Errorf("spec.config: setting %q has a line break or another control character: write it on one line", name)
		}
		if value == "" {
			value = `""`
		}
		out = append(out, setting{name, value})
	}
	return out, nil
}

func bytes(n int64) string { return strconv.FormatInt(n, 10) }

// configMap is what servers read.
func configMap(v *v1alpha1.Valkey, conf string) *corev1.ConfigMap {
	data := map[string]string{confFile: conf, stopFile: stopScript, aloneFile: aloneScript}
	content := conf + stopScript + aloneScript
	if v.Spec.IsCluster() {
		data[startFile] = startScript
		content += startScript
	}
	return unchanging(meta(v, v.Name), data, content)
}

// unchanging is a ConfigMap that is immutable and named by its content, because a
// container that restarts reads the ConfigMap as it is then: with a name that
// stays, a pod of the old revision would start with the new settings.
func unchanging(meta metav1.ObjectMeta, data map[string]string, content string) *corev1.ConfigMap {
	sum := sha256.Sum256([]byte(content))
	meta.Name += "-config-" + hex.EncodeToString(sum[:])[:10]
	return &corev1.ConfigMap{ObjectMeta: meta, Immutable: ptr.To(true), Data: data}
}

// ConfigMapOf is the name of the ConfigMap that a pod of an instance reads;
// empty when it reads none.
func ConfigMapOf(pod corev1.PodSpec) string {
	for _, volume := range pod.Volumes {
		if volume.Name != confVolume || volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.ConfigMap != nil {
				return source.ConfigMap.Name
			}
		}
	}
	return ""
}
