package bed

import (
	"slices"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

func TestALedgerAsksTheSentinelsOfAnInstanceThatHasSome(t *testing.T) {
	i := &Instance{Namespace: "shop", Name: "cart", Cluster: &Cluster{}}
	v := &v1alpha1.Valkey{}
	v.Namespace, v.Name, v.Spec.Topology = "shop", "cart", v1alpha1.TopologySentinel
	l := &Ledger{instance: i, pod: "cart-ledger"}
	args := l.newPod(v, Measured).Spec.Containers[0].Args
	for _, want := range [][]string{
		{"--addr", "cart-primary.shop:6379"}, {"--sentinel-name", "mymaster"},
		{"--sentinel", "cart-sentinel-0.cart-sentinel-nodes.shop.svc:26379"},
		{"--sentinel", "cart-sentinel-2.cart-sentinel-nodes.shop.svc:26379"},
	} {
		if !strings.Contains(strings.Join(args, " ")+" ", strings.Join(want, " ")+" ") {
			t.Errorf("no %q in %q", want, args)
		}
	}
	v.Spec.Topology = v1alpha1.TopologyReplication
	if args := l.newPod(v, Measured).Spec.Containers[0].Args; slices.Contains(args, "--sentinel") {
		t.Errorf("of an instance without Sentinels: %q", args)
	}
}
