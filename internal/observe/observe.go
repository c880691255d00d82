// Package observe reads Kubernetes and every server into a Snapshot. It writes
// nothing and decides nothing. What it could not learn stays unknown.
package observe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
)

// Calm tells how long Services have been left alone.
type Calm interface {
	// Quiet is the time since kube-proxy last had to move a Service; 0 while it is still
	// to.
	Quiet() time.Duration
	// Waited is how long the instance has been waiting for a quiet second.
	Waited(instance string) time.Duration
}

// Observer looks at instances.
type Observer struct {
	// Reader is a cache or the API server itself.
	Reader  client.Reader
	Servers *servers.Pool
	Calm    Calm
	Zones   *Zones
	// LostHosts tells of hosts that have fallen silent, where that matters.
	LostHosts *LostHosts
	// Silence remembers since when servers have not answered.
	Silence *Silence
	// TornLogs remembers whose append-only file would not be read again.
	TornLogs *TornLogs
	// Absences remembers since when pods have been absent, and asks why.
	Absences *Absences
	// Evacuations tells which hosts are to be left by primaries, and which shut down.
	Evacuations *Evacuations
	Now         func() time.Time
}

// Fresh is the same observer reading from another source.
func (o Observer) Fresh(reader client.Reader) Observer {
	o.Reader = reader
	return o
}

// Applied is, for each StatefulSet by name, the newest generation that the
// operator knows to exist: a cache that has not heard of it yet does not know the
// newest revision.
type Applied map[string]int64

// Look observes one instance. An error means that Kubernetes could not be read;
// a server that cannot be read is part of the Snapshot.
func (o Observer) Look(ctx context.Context, v *v1alpha1.Valkey, creds servers.Credentials, applied Applied) (model.Snapshot, error) {
	sets, err := o.sets(ctx, v)
	if err != nil {
		return model.Snapshot{}, err
	}
	pods, err := o.pods(ctx, v)
	if err != nil {
		return model.Snapshot{}, err
	}
	claims, err := Claims(ctx, o.Reader, v)
	if err != nil {
		return model.Snapshot{}, err
	}
	sentinels, err := o.sentinels(ctx, v, applied)
	if err != nil {
		return model.Snapshot{}, err
	}
	traffic, err := o.traffic(ctx, v)
	if err != nil {
		return model.Snapshot{}, err
	}
	snap := model.Snapshot{
		Instance: instance(v),
		Topology: model.Topology(v.Spec.Topology),
		Formed:   v.Status.Formed,
		Policy:   Policy(v),

		Sentinels: sentinels,
	}
	memories := remembered(v)
	for k := range shardCount(v, sets, pods) {
		shard := o.shard(ctx, v, k, sets[v.ShardName(k)], pods, applied)
		shard.Leftovers = leftovers(shard.Name, shard.Size, claims)
		seeBlanks(shard.Nodes, pods, claims)
		memory := memories[shard.Name]
		shard.Memory, shard.Attempt, shard.Traffic = memory.memory(), memory.attempt(o.Now()), traffic
		shard.Traffic.Left, shard.Traffic.LeftFor = memory.left(o.Now())
		snap.Shards = append(snap.Shards, shard)
	}
	o.askEverybody(ctx, v, &snap, round{
		instance: instance(v), creds: creds, cluster: v.Spec.IsCluster(), elects: snap.Topology == model.Replication,
		aliases: aliasesOf(v, pods), snapshots: snapshotsOf(&v.Spec),
	})
	return snap, nil
}

// askEverybody fills in what servers and Sentinels say, all at the same time, and lets go of
// those that are no more.
func (o Observer) askEverybody(ctx context.Context, v *v1alpha1.Valkey, snap *model.Snapshot, r round) {
	var wg sync.WaitGroup
	nodes := nodesOf(*snap)
	wg.Go(func() { o.askAll(ctx, r, nodes) })
	wg.Go(func() { o.askSentinels(ctx, r, v.Spec.Sentinel.PrimaryNameOrDefault(), &snap.Sentinels) })
	wg.Wait()
	uids := map[string]bool{}
	for _, n := range nodes {
		uids[n.UID] = true
	}
	for _, n := range snap.Sentinels.Nodes {
		uids[n.UID] = true
	}
	delete(uids, "")
	o.Servers.Keep(r.instance, uids)
	o.Silence.Keep(r.instance, uids)
	o.TornLogs.Keep(r.instance, uids)
}

// Policy is the user's wish with every default filled in.
func Policy(v *v1alpha1.Valkey) model.Policy {
	return model.Policy{
		Strategy:       model.Strategy(v.Spec.Rollout.StrategyOrDefault()),
		Paused:         v.Spec.Rollout.Paused,
		Nodes:          int(v.Spec.NodeCount()),
		MaxLag:         v.Spec.Rollout.MaxLagOrDefault(),
		ClientDrain:    v.Spec.Rollout.ClientDrainOrDefault(),
		Durable:        v.Spec.Durable(),
		Surge:          model.Surge(v.Spec.Rollout.SurgeOrDefault()),
		DownAfter:      v.Spec.Recovery.DownAfterOrDefault(),
		Shards:         int(v.Spec.ShardCount()),
		ParallelShards: int(v.Spec.Rollout.MaxParallelShardsOrDefault()),
		ReassignEmpty:  v.Spec.Recovery.OnShardLossOrDefault() == v1alpha1.ShardLossReassignEmpty,
	}
}

func instance(v *v1alpha1.Valkey) string { return v.Namespace + "/" + v.Name }

func (o Observer) pods(ctx context.Context, v *v1alpha1.Valkey) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := o.Reader.List(ctx, list, client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector()))
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", instance(v), err)
	}
	return list.Items, nil
}

// traffic reads the two slices that the operator owns. Clients of a cluster ask
// its servers, and no slice is ours.
func (o Observer) traffic(ctx context.Context, v *v1alpha1.Valkey) (model.Traffic, error) {
	if v.Spec.IsCluster() {
		return model.Traffic{}, nil
	}
	primary, err := o.endpoints(ctx, v, v.PrimaryServiceName())
	if err != nil {
		return model.Traffic{}, err
	}
	replicas, err := o.endpoints(ctx, v, v.ReplicasServiceName())
	if err != nil {
		return model.Traffic{}, err
	}
	t := model.Traffic{Replicas: replicas, Quiet: o.Calm.Quiet(), Waited: o.Calm.Waited(instance(v))}
	if len(primary) == 1 {
		t.Primary = primary[0]
	}
	return t, nil
}

// endpoints are the addresses in the slice of that name, sorted.
func (o Observer) endpoints(ctx context.Context, v *v1alpha1.Valkey, name string) ([]string, error) {
	slice := &discoveryv1.EndpointSlice{}
	err := o.Reader.Get(ctx, client.ObjectKey{Namespace: v.Namespace, Name: name}, slice)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read EndpointSlice %s/%s: %w", v.Namespace, name, err)
	}
	if !metav1.IsControlledBy(slice, v) {
		return nil, nil // somebody else's: the controller says so
	}
	var out []string
	for _, e := range slice.Endpoints {
		for _, ip := range e.Addresses {
			out = append(out, address(ip))
		}
	}
	slices.Sort(out)
	return out, nil
}
