package v1alpha1

import "time"

// The defaults. Those that the schema can hold stand there too and are repeated
// here for resources that were made without an API server, as in tests.
const (
	// DefaultVersion is used when neither spec.version nor spec.image is set.
	DefaultVersion = "9.1"
	// DefaultReplicas of a primary, not counting it, in topology Replication.
	DefaultReplicas = 2
	// DefaultClusterReplicas of each primary, not counting it, in topology Cluster.
	DefaultClusterReplicas = 1
	// DefaultShards of topology Cluster.
	DefaultShards = 3
	// DefaultMaxParallelShards that are rolled at once.
	DefaultMaxParallelShards = 1
	// DefaultHandoverTimeout bounds how long writes wait in one handover.
	DefaultHandoverTimeout = 5 * time.Second
	// DefaultMaxLag is bytes.
	DefaultMaxLag int64 = 4 << 20
	// DefaultClientDrain bounds the wait for clients of a server that restarts.
	// Most leave within seconds; go-redis, with addresses in its map that have
	// vanished, was seen to take more than ten.
	DefaultClientDrain = time.Minute
)

// RestartedAtAnnotation on a Valkey restarts every server when it changes, as
// spec.restartToken does.
const RestartedAtAnnotation = "kubectl.kubernetes.io/restartedAt"

// ReplicaCount is the wished number of replicas of a primary, not counting it.
func (s *ValkeySpec) ReplicaCount() int32 {
	switch {
	case s.Topology == TopologyStandalone:
		return 0
	case s.Replicas != nil:
		return *s.Replicas
	case s.IsCluster():
		return DefaultClusterReplicas
	default:
		return DefaultReplicas
	}
}

// NodeCount is the wished number of servers in a shard.
func (s *ValkeySpec) NodeCount() int32 { return 1 + s.ReplicaCount() }

// IsCluster says that the data are divided among shards.
func (s *ValkeySpec) IsCluster() bool { return s.Topology == TopologyCluster }

// ShardCount is the wished number of shards: 1 with all topologies but Cluster.
func (s *ValkeySpec) ShardCount() int32 {
	switch {
	case !s.IsCluster():
		return 1
	case s.Shards == nil:
		return DefaultShards
	default:
		return *s.Shards
	}
}

// PersistenceMode is the wished mode, or the default that follows from storage.
func (s *ValkeySpec) PersistenceMode() PersistenceMode {
	switch {
	case s.Persistence.Mode != "":
		return s.Persistence.Mode
	case s.Storage != nil:
		return PersistenceRDB
	default:
		return PersistenceNone
	}
}

// Durable says that a server's data outlive its pod.
func (s *ValkeySpec) Durable() bool {
	return s.Storage != nil && s.PersistenceMode() != PersistenceNone
}

// StrategyOrDefault is how old servers are brought up to date.
func (r *Rollout) StrategyOrDefault() RolloutStrategy {
	if r.Strategy == "" {
		return StrategyHandover
	}
	return r.Strategy
}

// HandoverTimeoutOrDefault bounds how long writes may wait in one handover.
func (r *Rollout) HandoverTimeoutOrDefault() time.Duration {
	if r.HandoverTimeout == nil {
		return DefaultHandoverTimeout
	}
	return r.HandoverTimeout.Duration
}

// MaxLagOrDefault is bytes.
func (r *Rollout) MaxLagOrDefault() int64 {
	if r.MaxLag == nil {
		return DefaultMaxLag
	}
	return *r.MaxLag
}

// ClientDrainOrDefault bounds the wait for clients of a server that restarts.
func (r *Rollout) ClientDrainOrDefault() time.Duration {
	if r.ClientDrain == nil {
		return DefaultClientDrain
	}
	return r.ClientDrain.Duration
}

// MaxParallelShardsOrDefault is how many shards may be rolled at once.
func (r *Rollout) MaxParallelShardsOrDefault() int32 {
	if r.MaxParallelShards == nil {
		return DefaultMaxParallelShards
	}
	return *r.MaxParallelShards
}

// SurgeOrDefault is when a rollout is given one extra server.
func (r *Rollout) SurgeOrDefault() SurgeMode {
	if r.Surge == "" {
		return SurgeAuto
	}
	return r.Surge
}

// DownAfterOrDefault is for how long a primary must have been silent to everybody.
func (r *Recovery) DownAfterOrDefault() time.Duration {
	if r.DownAfter == nil {
		return DefaultDownAfter
	}
	return r.DownAfter.Duration
}

// OnShardLossOrDefault is what becomes of the slots of a lost shard.
func (r *Recovery) OnShardLossOrDefault() ShardLoss {
	if r.OnShardLoss == "" {
		return ShardLossManual
	}
	return r.OnShardLoss
}

// IsEnabled is true unless the user said false.
func (p *PodDisruptionBudget) IsEnabled() bool { return p.Enabled == nil || *p.Enabled }

// IsEnabled is true unless the user said false.
func (a *Auth) IsEnabled() bool { return a.Enabled == nil || *a.Enabled }
