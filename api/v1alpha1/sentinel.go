package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// The defaults of spec.sentinel. The schema repeats DefaultSentinels in its rules
// about the quorum.
const (
	// DefaultSentinels of topology Sentinel.
	DefaultSentinels = 3
	// DefaultDownAfter is how long a server is silent until it counts as down.
	DefaultDownAfter = 5 * time.Second
	// DefaultFailoverTimeout bounds each step of a failover. Sentinel's own, three
	// minutes, would also be how long writes wait when a handover goes wrong.
	DefaultFailoverTimeout = 10 * time.Second
	// DefaultPrimaryName is what clients ask Sentinels for.
	DefaultPrimaryName = "mymaster"
)

const (
	// SentinelPort that every Sentinel listens on.
	SentinelPort = 26379
	// SentinelContainerName of the Sentinel in its pod, and the name of its port.
	SentinelContainerName = "sentinel"
	// SentinelUser is the ACL user that Sentinels log in as, on the data servers
	// and at each other.
	SentinelUser = "sentinel"
	// SentinelPasswordKey in the system Secret is SentinelUser's password. Only
	// topology Sentinel has it.
	SentinelPasswordKey = "sentinel-password"
)

// IsSentinel says that Sentinels watch the primary and fail it over.
func (s *ValkeySpec) IsSentinel() bool { return s.Topology == TopologySentinel }

// SentinelCount is the wished number of Sentinels: 0 with other topologies.
func (s *ValkeySpec) SentinelCount() int32 {
	if !s.IsSentinel() {
		return 0
	}
	return s.Sentinel.ReplicasOrDefault()
}

// ReplicasOrDefault is the wished number of Sentinels.
func (s *Sentinel) ReplicasOrDefault() int32 {
	if s.Replicas == nil {
		return DefaultSentinels
	}
	return *s.Replicas
}

// QuorumOrDefault is how many Sentinels must find the primary down.
func (s *Sentinel) QuorumOrDefault() int32 {
	if s.Quorum == nil {
		return s.ReplicasOrDefault()/2 + 1
	}
	return *s.Quorum
}

// DownAfterOrDefault is how long a server is silent until it counts as down.
func (s *Sentinel) DownAfterOrDefault() time.Duration {
	if s.DownAfter == nil {
		return DefaultDownAfter
	}
	return s.DownAfter.Duration
}

// FailoverTimeoutOrDefault bounds each step of a failover.
func (s *Sentinel) FailoverTimeoutOrDefault() time.Duration {
	if s.FailoverTimeout == nil {
		return DefaultFailoverTimeout
	}
	return s.FailoverTimeout.Duration
}

// PrimaryNameOrDefault is what clients ask Sentinels for.
func (s *Sentinel) PrimaryNameOrDefault() string {
	if s.PrimaryName == "" {
		return DefaultPrimaryName
	}
	return s.PrimaryName
}

// SentinelName is the name of the Sentinels' StatefulSet, of their budget, and of
// the Service that clients reach them by.
func (v *Valkey) SentinelName() string { return v.Name + "-sentinel" }

// SentinelNodesServiceName is the headless Service that gives each Sentinel its
// name.
func (v *Valkey) SentinelNodesServiceName() string { return v.SentinelName() + "-nodes" }

// SentinelSelector selects the Sentinels' pods of the instance.
func (v *Valkey) SentinelSelector() map[string]string {
	out := v.PodSelector()
	out[ComponentLabel] = ComponentSentinel
	return out
}

// SentinelHostname is the name under which a Sentinel's pod is known whatever its
// address.
func (v *Valkey) SentinelHostname(pod string) string {
	return hostname(pod, v.SentinelNodesServiceName(), v.Namespace)
}

// SentinelIDPrefix is what the ids of the instance's Sentinels begin with, 38
// hexadecimal digits. Another instance, and a later one of the same name, has
// another.
func (v *Valkey) SentinelIDPrefix() string {
	sum := sha256.Sum256([]byte(v.Namespace + "/" + v.Name + "/" + string(v.UID)))
	return hex.EncodeToString(sum[:])[:38]
}

// SentinelID is what the Sentinel of that ordinal says to SENTINEL MYID. It is the
// same one however often the Sentinel loses what it knew, so that the others never
// count it twice.
func (v *Valkey) SentinelID(ordinal int) string {
	return fmt.Sprintf("%s%02x", v.SentinelIDPrefix(), ordinal)
}
