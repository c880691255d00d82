package v1alpha1

import (
	"slices"
	"strings"
)

// OwnedSettings is a group of settings of valkey.conf that the operator owns,
// and that spec.config may therefore not hold.
type OwnedSettings struct {
	Names    []string
	Prefixes []string
	// Except are settings that the prefixes take in and that spec.config may hold.
	Except []string
	// Why is the reason, and after a colon what to do in their place.
	Why string
}

// OperatorOwned lists every group of settings that the operator owns. Names are
// those of valkey.conf in 8.1 and 9.1, aliases included.
var OperatorOwned = []OwnedSettings{
	{
		Names:    []string{"port", "bind", "bind-source-addr", "protected-mode", "unixsocket", "unixsocketgroup", "unixsocketperm"},
		Prefixes: []string{"rdma-"},
		Why:      "the operator sets how servers are reached: use the Services of the instance",
	},
	{
		Names: []string{"dir", "dbfilename", "appenddirname", "appendfilename", "save", "appendonly"},
		Why:   "the operator sets what is written where: use spec.persistence and spec.storage",
	},
	{
		Names:    []string{"replicaof", "slaveof", "replica-read-only", "slave-read-only", "replica-priority", "slave-priority"},
		Prefixes: []string{"replica-announce", "slave-announce"},
		Why:      "the operator gives the roles: use spec.topology and spec.replicas",
	},
	{
		Names: []string{"aclfile", "user", "requirepass", "primaryauth", "primaryuser", "masterauth", "masteruser"},
		Why:   "the operator makes the users: use spec.auth",
	},
	{
		Names: []string{"enable-debug-command", "enable-module-command", "enable-protected-configs", "rename-command"},
		Why:   "the operator and the safety of the data need the commands as they are: leave them out",
	},
	{
		Names: []string{"include", "loadmodule"},
		Why:   "the pods hold no other files than the operator's, and modules are not supported yet: leave them out",
	},
	{
		Names:    []string{"daemonize", "pidfile", "supervised", "logfile"},
		Prefixes: []string{"syslog-"},
		Why:      "the operator runs the server in a container, which logs to its output: leave them out",
	},
	{
		Prefixes: []string{"shutdown-"},
		Why:      "the operator derives from them how long a pod may take to stop: use spec.terminationGracePeriodSeconds",
	},
	{
		Prefixes: []string{"cluster-"},
		Except: []string{"cluster-node-timeout", "cluster-require-full-coverage", "cluster-allow-reads-when-down",
			"cluster-allow-pubsubshard-when-down", "cluster-link-sendbuf-limit", "cluster-slot-stats-enabled",
			"cluster-preferred-endpoint-type"},
		Why: "the operator forms the cluster and keeps it together: leave them out",
	},
	{
		Prefixes: []string{"tls-"},
		Why:      "TLS is not built yet: leave them out",
	},
	{
		Prefixes: []string{"sentinel"},
		Why:      "they are settings of Sentinels, and the operator sets those: use spec.sentinel",
	},
}

// Has says whether the setting belongs to the group.
func (o OwnedSettings) Has(setting string) bool {
	return !slices.Contains(o.Except, setting) && (slices.Contains(o.Names, setting) ||
		slices.ContainsFunc(o.Prefixes, func(p string) bool { return strings.HasPrefix(setting, p) }))
}

// Refusal is the message for a spec.config that holds one of the group.
func (o OwnedSettings) Refusal() string {
	listed := slices.Clone(o.Names)
	for _, p := range o.Prefixes {
		listed = append(listed, p+"*")
	}
	what := strings.Join(listed, ", ")
	if len(o.Except) > 0 {
		what += " (other than " + strings.Join(o.Except, ", ") + ")"
	}
	return "spec.config may not set " + what + ": " + o.Why
}

// OwnerOf finds the group that a setting belongs to.
func OwnerOf(setting string) (o OwnedSettings, owned bool) {
	i := slices.IndexFunc(OperatorOwned, func(o OwnedSettings) bool { return o.Has(setting) })
	if i < 0 {
		return OwnedSettings{}, false
	}
	return OperatorOwned[i], true
}

// ClusterClock are the settings that say how often a member of a Cluster looks at the clock,
// and the only value of each with which a handover that fails loses nothing
// (docs/adr/0005). They are the servers' and the operator's defaults.
var ClusterClock = map[string]ConfigValue{"hz": "10", "dynamic-hz": "no"}

// ClusterClockRefusal is the message for a spec.config that sets another one.
const ClusterClockRefusal = "spec.config may set hz only to 10 and dynamic-hz only to no with topology Cluster, " +
	"because a failover that has failed ends when its target looks at the clock, " +
	"and with other values the target may take over after its primary has taken writes again: remove them"
