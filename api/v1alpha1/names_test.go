package v1alpha1

import (
	"strings"
	"testing"

	"k8s.io/utils/ptr"
)

// The longest names and labels that are made from a name of 40 characters are
// those of a Cluster.
func TestTheLongestNameStillFitsWhereItMust(t *testing.T) {
	v := &Valkey{Spec: ValkeySpec{Topology: TopologyCluster, Shards: ptr.To[int32](64), Replicas: ptr.To[int32](8)}}
	v.Name = strings.Repeat("a", 40)
	shard := v.ShardName(int(v.Spec.ShardCount()) - 1)
	for what, text := range map[string]string{
		"the Service":           v.ClusterServiceName(),
		"the pod":               shard + "-8",
		"the revision of a pod": shard + "-0123456789", // controller-revision-hash
	} {
		if len(text) > 63 {
			t.Errorf("%s %s has %d characters", what, text, len(text))
		}
	}
}

func TestShardsAndReplicasOfEachTopology(t *testing.T) {
	for _, c := range []struct {
		name             string
		spec             ValkeySpec
		shards, replicas int32
		first            string
	}{
		{"a single server", ValkeySpec{Topology: TopologyStandalone, Replicas: ptr.To[int32](0)}, 1, 0, "cart"},
		{"a primary and replicas", ValkeySpec{Topology: TopologyReplication}, 1, 2, "cart"},
		{"shards that make no sense", ValkeySpec{Topology: TopologyReplication, Shards: ptr.To[int32](5)}, 1, 2, "cart"},
		{"a cluster", ValkeySpec{Topology: TopologyCluster}, 3, 1, "cart-shard-0"},
		{"a cluster as wished", ValkeySpec{Topology: TopologyCluster, Shards: ptr.To[int32](5), Replicas: ptr.To[int32](2)}, 5, 2, "cart-shard-0"},
	} {
		v := &Valkey{Spec: c.spec}
		v.Name = "cart"
		if v.Spec.ShardCount() != c.shards || v.Spec.ReplicaCount() != c.replicas || v.ShardName(0) != c.first {
			t.Errorf("%s: %d shards with %d replicas, the first is %s", c.name, v.Spec.ShardCount(), v.Spec.ReplicaCount(), v.ShardName(0))
		}
	}
}

func TestOnlyAShardsOwnNameHasANumber(t *testing.T) {
	v := &Valkey{Spec: ValkeySpec{Topology: TopologyCluster}}
	v.Name = "cart"
	for name, want := range map[string]int{
		"cart-shard-0": 0, "cart-shard-63": 63,
		"cart": -1, "cart-shard-": -1, "cart-shard-01": -1, "cart-shard-+1": -1, "cart-shard--1": -1, "cart-shard-1-0": -1, "shop-cart-shard-1": -1,
	} {
		if k, ok := v.ShardNumber(name); ok != (want >= 0) || ok && k != want {
			t.Errorf("%s: %d, %t", name, k, ok)
		}
	}
	v.Spec.Topology = TopologyReplication
	if _, ok := v.ShardNumber("cart-shard-0"); ok {
		t.Error("a Replication has a shard 0 of that name")
	}
}
