package bed

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Version wishes for a version of Valkey, and no image.
func Version(version string) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Version, v.Spec.Image = version, "" }
}

// Image wishes for an image in full, and no version.
func Image(image string) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Version, v.Spec.Image = "", image }
}

// Strategy wishes for a way of rolling changes out.
func Strategy(strategy v1alpha1.RolloutStrategy) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Rollout.Strategy = strategy }
}

// Surge wishes when a rollout is given an extra pod.
func Surge(mode v1alpha1.SurgeMode) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Rollout.Surge = mode }
}

// Standalone wishes for one server.
func Standalone() Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Topology, v.Spec.Replicas = v1alpha1.TopologyStandalone, nil }
}

// Host wishes for hosts with a label; an empty value takes it away.
func Host(label, value string) Wish {
	return func(v *v1alpha1.Valkey) {
		v.Spec.Scheduling.NodeSelector = map[string]string{label: value}
		if value == "" {
			v.Spec.Scheduling.NodeSelector = nil
		}
	}
}

// Paused wishes the rollout to stop, or to go on.
func Paused(paused bool) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Rollout.Paused = paused }
}

// Replicas wishes for so many besides the primary.
func Replicas(n int32) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Replicas = ptr.To(n) }
}

// Setting wishes for a line in valkey.conf; an empty value takes it away.
func Setting(name, value string) Wish {
	return func(v *v1alpha1.Valkey) {
		if v.Spec.Config == nil {
			v.Spec.Config = v1alpha1.Config{}
		}
		v.Spec.Config[name] = v1alpha1.ConfigValue(value)
		if value == "" {
			delete(v.Spec.Config, name)
		}
	}
}

// Memory wishes that each server asks for so much.
func Memory(request string) Wish {
	return func(v *v1alpha1.Valkey) {
		v.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(request)}
	}
}

// Restart wishes every server to be restarted, once for each token.
func Restart(token string) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.RestartToken = token }
}

// InMemory wishes for no volumes.
func InMemory() Wish { return func(v *v1alpha1.Valkey) { v.Spec.Storage = nil } }

// LogWrites wishes that each server logs every write on its volume.
func LogWrites() Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Persistence.Mode = v1alpha1.PersistenceAOF }
}

// Sharded wishes for a Cluster of so many shards, each with so many replicas
// besides its primary.
func Sharded(shards, replicas int32) Wish {
	return func(v *v1alpha1.Valkey) {
		v.Spec.Topology = v1alpha1.TopologyCluster
		v.Spec.Shards, v.Spec.Replicas = ptr.To(shards), ptr.To(replicas)
	}
}

// Shards wishes for so many.
func Shards(n int32) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Shards = ptr.To(n) }
}

// MaxParallelShards wishes that so many may be rolled at once.
func MaxParallelShards(n int32) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Rollout.MaxParallelShards = ptr.To(n) }
}

// OnShardLoss wishes what becomes of the slots of a shard that is lost.
func OnShardLoss(loss v1alpha1.ShardLoss) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Recovery.OnShardLoss = loss }
}
