package e2e

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/test/bed"
)

// Kubernetes makes the claim of the extra pod, and then refuses the pod. When the change is
// taken back there is no pod with which the claim could go; the next rollout takes it over.
func TestAnExtraPodThatIsRefusedKeepsNoLaterRolloutWaiting(t *testing.T) {
	t.Parallel()
	w := enter(t)
	i := w.make("single", bed.Standalone())
	before := w.identities(i)
	ledger := w.write(i, bed.Light)
	lift := w.noMorePods()
	w.halts(i, bed.Restart("once"), "spec.rollout.surge", "NodeDown", "PodStarting")
	w.must(i.Change(w.ctx, bed.Restart("")))
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	if w.identities(i)["single-0"] != before["single-0"] {
		t.Error("the only server was restarted although its change was taken back")
	}
	claims, err := i.Claims(w.ctx)
	w.must(err)
	if !slices.Contains(claims, "data-single-1") {
		t.Errorf("claims %v: this was to show what becomes of the one of a pod that was never made", claims)
	}
	lift()
	w.must(i.Change(w.ctx, bed.Restart("twice")))
	w.must(i.AwaitRolledOut(w.ctx, toRoll))
	w.allFresh(i)
	w.onlyClaims(i)
	w.kept(ledger)
}

// noMorePods lets no pod be made in the namespace beside those that are there, until that is
// lifted.
func (w *world) noMorePods() (lift func()) {
	w.Helper()
	var pods corev1.PodList
	w.must(cluster.List(w.ctx, &pods, client.InNamespace(w.namespace)))
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "full"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(int64(len(pods.Items)), resource.DecimalSI)}}}
	w.must(cluster.Create(w.ctx, quota))
	return func() {
		w.Helper()
		w.must(cluster.Delete(w.ctx, quota))
	}
}
