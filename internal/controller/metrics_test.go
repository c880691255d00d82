package controller

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
)

// seriesOf counts what is exported of an instance, by metric.
func seriesOf(t *testing.T, name string) map[string]int {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "name" && l.GetValue() == name {
					out[f.GetName()]++
				}
			}
		}
	}
	return out
}

func TestADeletedInstanceLeavesTheMetrics(t *testing.T) {
	countHandover(&v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "metered"}}, "metered", act.Handover{Result: handover.Result{Outcome: handover.Done, Switch: time.Millisecond}}, nil)
	countFailover(&v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "metered"}}, "metered")
	countStep("shop/metered", model.Restart{})
	snap := model.Snapshot{Instance: "shop/metered", Policy: model.Policy{Nodes: 2}, Shards: []model.Shard{calmShard()}}
	observeMetrics(snap, down("cart-1"))
	have := seriesOf(t, "metered")
	for _, name := range []string{"valkeeper_handovers_total", "valkeeper_handover_switch_seconds", "valkeeper_steps_total",
		"valkeeper_hold", "valkeeper_nodes", "valkeeper_failovers_total"} {
		if have[name] == 0 {
			t.Errorf("%s is not exported; there is %v", name, have)
		}
	}
	observeMetrics(snap, model.Plan{})
	if seriesOf(t, "metered")["valkeeper_hold"] != 0 {
		t.Error("a hold that is over is still exported")
	}
	forgetMetrics("shop/metered")
	if have := seriesOf(t, "metered"); len(have) != 0 {
		t.Errorf("%v are left", have)
	}
}

// The page that people write alerts from has every metric.
func TestEveryMetricIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`Name: "(valkeeper_\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(names) < 7 {
		t.Fatalf("found only %d metrics in metrics.go: %v", len(names), names)
	}
	for _, name := range names {
		if !strings.Contains(string(page), "| `"+name[1]+"` |") {
			t.Errorf("docs/reference/metrics.md has no row for %s", name[1])
		}
	}
}
