package controller

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
)

var labels = []string{"namespace", "name"}

var (
	handovers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "valkeeper_handovers_total", Help: "Handovers by outcome (Done, Aborted, Unproven).",
	}, append(labels[:2:2], "shard", "outcome"))
	failovers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "valkeeper_failovers_total", Help: "Promotions by the operator in the place of a lost primary.",
	}, append(labels[:2:2], "shard"))
	switchSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "valkeeper_handover_switch_seconds", Help: "Time for which writes were held back while the role moved.",
		Buckets: []float64{.001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2, 5},
	}, append(labels[:2:2], "shard"))
	steps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "valkeeper_steps_total", Help: "Steps performed, by kind.",
	}, append(labels[:2:2], "kind"))
	holding = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "valkeeper_hold", Help: "1 while the instance waits for this reason.",
	}, append(labels[:2:2], "reason"))
	nodeStates = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "valkeeper_nodes", Help: "Nodes of the instance by state (wished, in_service, stale, down, extra).",
	}, append(labels[:2:2], "state"))
	shardStates = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "valkeeper_shards", Help: "Shards of a cluster by state (wished, serving: one primary that serves slots).",
	}, append(labels[:2:2], "state"))
	slotsCovered = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "valkeeper_slots_covered", Help: "Hash slots of a cluster that a primary serves, of 16384.",
	}, labels)
)

func init() {
	metrics.Registry.MustRegister(handovers, failovers, switchSeconds, steps, holding, nodeStates, shardStates, slotsCovered)
}

func split(instance string) (namespace, name string) {
	namespace, name, _ = strings.Cut(instance, "/")
	return namespace, name
}

// shardLabel tells a shard apart where there are several. An empty label is none.
func shardLabel(name, shard string) string {
	if shard == name {
		return ""
	}
	return shard
}

func countHandover(v *v1alpha1.Valkey, shard string, h act.Handover, err error) {
	shard = shardLabel(v.Name, shard)
	handovers.WithLabelValues(v.Namespace, v.Name, shard, string(h.Result.Outcome)).Inc()
	if err == nil {
		switchSeconds.WithLabelValues(v.Namespace, v.Name, shard).Observe(h.Result.Switch.Seconds())
	}
}

func countFailover(v *v1alpha1.Valkey, shard string) {
	failovers.WithLabelValues(v.Namespace, v.Name, shardLabel(v.Name, shard)).Inc()
}

func countStep(instance string, step model.Step) {
	ns, name := split(instance)
	steps.WithLabelValues(ns, name, step.Kind()).Inc()
}

func observeMetrics(snap model.Snapshot, plan model.Plan) {
	ns, name := split(snap.Instance)
	observeHolds(ns, name, snap.Instance, plan)
	for _, shard := range snap.Shards { // a counter that begins at 1 has no increase
		for _, outcome := range []handover.Outcome{handover.Done, handover.Aborted, handover.Unproven} {
			handovers.WithLabelValues(ns, name, shardLabel(name, shard.Name), string(outcome))
		}
		failovers.WithLabelValues(ns, name, shardLabel(name, shard.Name))
	}
	var inService, stale, down, extra float64
	for _, shard := range snap.Shards {
		for _, n := range shard.Nodes {
			inService += one(n.InService && n.Ready)
			stale += one(shard.Stale(n))
			down += one(n.Down())
			extra += one(snap.Policy.Extra(n))
		}
	}
	nodeStates.WithLabelValues(ns, name, "wished").Set(float64(snap.Policy.Nodes * max(1, snap.Policy.Shards)))
	nodeStates.WithLabelValues(ns, name, "in_service").Set(inService)
	nodeStates.WithLabelValues(ns, name, "stale").Set(stale)
	nodeStates.WithLabelValues(ns, name, "down").Set(down)
	nodeStates.WithLabelValues(ns, name, "extra").Set(extra)
	if snap.Topology == model.Cluster {
		observeSlots(ns, name, snap)
	}
}

// held are the reasons that are exported, by instance: a scrape at any moment finds those
// that last.
var held sync.Map

func observeHolds(ns, name, instance string, plan model.Plan) {
	now := map[model.Reason]bool{}
	for _, h := range plan.Holds {
		now[h.Reason] = true
		holding.WithLabelValues(ns, name, string(h.Reason)).Set(1)
	}
	before, _ := held.Swap(instance, now)
	was, _ := before.(map[model.Reason]bool)
	for reason := range was {
		if !now[reason] {
			holding.DeleteLabelValues(ns, name, string(reason))
		}
	}
}

func observeSlots(ns, name string, snap model.Snapshot) {
	var covered model.Slots
	var serving float64
	for _, shard := range snap.Shards {
		primary, ok := shard.Primary()
		if !ok {
			continue
		}
		covered = covered.Plus(primary.Server.Owned())
		serving += one(!primary.Server.Owned().Empty())
	}
	shardStates.WithLabelValues(ns, name, "wished").Set(float64(snap.Policy.Shards))
	shardStates.WithLabelValues(ns, name, "serving").Set(serving)
	slotsCovered.WithLabelValues(ns, name).Set(float64(covered.Count()))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func forgetMetrics(instance string) {
	ns, name := split(instance)
	match := prometheus.Labels{"namespace": ns, "name": name}
	held.Delete(instance)
	handovers.DeletePartialMatch(match)
	failovers.DeletePartialMatch(match)
	switchSeconds.DeletePartialMatch(match)
	steps.DeletePartialMatch(match)
	holding.DeletePartialMatch(match)
	nodeStates.DeletePartialMatch(match)
	shardStates.DeletePartialMatch(match)
	slotsCovered.DeletePartialMatch(match)
}
