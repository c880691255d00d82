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

// hosts is an API server with one host, which counts how often it is asked.
func hosts(asked *int, fail func() error) client.Client {
	host := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-a", Labels: map[string]string{corev1.LabelTopologyZone: "zone-1"}}}
	return interceptor.NewClient(fake.NewClientBuilder().WithObjects(host).Build(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			*asked++
			if err := fail(); err != nil {
				return err
			}
			return c.Get(ctx, key, obj, opts...)
		}})
}

func TestAHostIsAskedForItsZoneOnceInAWhile(t *testing.T) {
	asked := 0
	z := NewZones(hosts(&asked, func() error { return nil }))
	at := now
	z.now = func() time.Time { return at }
	for range 5 {
		if zone := z.Of(t.Context(), "host-a"); zone != "zone-1" {
			t.Fatalf("zone %q", zone)
		}
	}
	if z.Of(t.Context(), ""); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	at = at.Add(zoneKept)
	if z.Of(t.Context(), "host-a"); asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

func TestAnOperatorThatMayNotReadHostsDoesWithoutZones(t *testing.T) {
	asked := 0
	forbidden := error(nil)
	z := NewZones(hosts(&asked, func() error { return forbidden }))
	at := now
	z.now = func() time.Time { return at }
	z.Of(t.Context(), "host-a")
	forbidden = errors.New("nodes is forbidden")
	at = at.Add(zoneKept)
	if zone := z.Of(t.Context(), "host-a"); zone != "zone-1" {
		t.Errorf("a host that cannot be read now has moved to zone %q", zone)
	}
	for range 3 {
		if zone := z.Of(t.Context(), "host-b"); zone != "" {
			t.Errorf("zone %q", zone)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times: a refusal is not asked for again at every look", asked)
	}
}
