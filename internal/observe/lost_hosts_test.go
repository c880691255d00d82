package observe

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestAHostIsLostOnceKubernetesDoesNotHearOfIt(t *testing.T) {
	host := func(name string, conditions ...corev1.NodeCondition) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Conditions: conditions}}
	}
	of := func(status corev1.ConditionStatus) corev1.NodeCondition {
		return corev1.NodeCondition{Type: corev1.NodeReady, Status: status}
	}
	api := fake.NewClientBuilder().WithObjects(host("ready", of(corev1.ConditionTrue)), host("not-ready", of(corev1.ConditionFalse)),
		host("unheard-of", of(corev1.ConditionUnknown)), host("new")).Build()
	h := NewLostHosts(interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if key.Name == "forbidden" {
				return errors.New("you may not")
			}
			return c.Get(ctx, key, obj, opts...)
		}}))
	for name, want := range map[string]bool{"ready": false, "not-ready": false, "unheard-of": true, "gone": true, "new": false, "forbidden": false, "": false} {
		if have := h.Has(t.Context(), name); have != want {
			t.Errorf("%s: lost %t", name, have)
		}
	}
}

func TestAHostIsAskedForAgainAfterAMoment(t *testing.T) {
	asked, moment := 0, now
	h := NewLostHosts(hosts(&asked, func() error { return nil }))
	h.now = func() time.Time { return moment }
	for range 5 {
		h.Has(t.Context(), "host-a")
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	if moment = moment.Add(hostKept); h.Has(t.Context(), "host-a") || asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}
