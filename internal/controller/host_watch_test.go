package controller

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

func TestInstancesAreLookedAtWhenAHostOfTheirsIsToBeLeft(t *testing.T) {
	now := time.Unix(1000, 0)
	calm := calmAt(&now)
	h := NewHostWatch(calm)
	on := h.handler()
	host := func(cordoned bool) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-a"}, Spec: corev1.NodeSpec{Unschedulable: cordoned}}
	}
	news := func(what, why string, wanted bool) {
		t.Helper()
		select {
		case e := <-h.news:
			if !wanted || e.Object.GetName() != "host-a" {
				t.Errorf("%s: news of %s", what, e.Object.GetName())
			}
		default:
			if wanted {
				t.Errorf("%s: no news", what)
			}
		}
		if got := h.Evacuations.Of("host-a"); got.Why != why {
			t.Errorf("%s: to be left because %q, want %q", what, got.Why, why)
		}
	}
	on.OnAdd(host(false), true)
	news("it is there", "", false)
	if calm.Quiet() == 0 {
		t.Error("a host that is there announces evictions")
	}
	on.OnUpdate(host(false), host(true))
	news("it is cordoned", "host host-a is cordoned", true)
	if calm.Quiet() != 0 {
		t.Error("a cordon announces no evictions")
	}
	now = now.Add(time.Minute)
	on.OnUpdate(host(true), host(true))
	news("its status has changed", "host host-a is cordoned", false)
	if calm.Quiet() != time.Minute {
		t.Error("what it says of its status announces evictions")
	}
	on.OnDelete(cache.DeletedFinalStateUnknown{Obj: host(true)})
	news("it has gone", "", true)
}

func TestInstancesAreLookedAtWhenAHostOfTheirsShutsDown(t *testing.T) {
	h := NewHostWatch(NewCalm())
	began := metav1.NewTime(time.Unix(1000, 0))
	for i, host := range []*corev1.Node{
		{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse,
			Reason: "KubeletNotReady", Message: "node is shutting down", LastTransitionTime: began}}}},
		{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}},
	} {
		host.Name = "host-a"
		kept, err := stripHost(host)
		if err != nil {
			t.Fatal(err)
		}
		h.hear(kept)
		h.hear(kept) // what a kubelet says again is no news
		if len(h.news) != 1+i {
			t.Errorf("%d: %d news", i, len(h.news))
		}
		if got, want := h.Evacuations.Of("host-a").ShutDown, began.Time; (i == 0) != got.Equal(want) {
			t.Errorf("%d: it shuts down since %s", i, got)
		}
	}
}

// Nobody may read the news, as while another operator leads: a watch must not stand still
// for it.
func TestNewsThatNobodyReadsAreDropped(t *testing.T) {
	h := NewHostWatch(NewCalm())
	for i := range 3 * hostNews {
		h.hear(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-a"}, Spec: corev1.NodeSpec{Unschedulable: i%2 == 0}})
	}
	if len(h.news) != hostNews || h.Evacuations.Of("host-a").Why != "" {
		t.Errorf("%d news, to be left because %q", len(h.news), h.Evacuations.Of("host-a").Why)
	}
}

// An operator that starts in the middle of a drain, perhaps because of it, knows of the
// drain before it looks at anybody; where it may not know, it goes on without.
func TestNobodyIsLookedAtBeforeHostsHaveBeenHeardOf(t *testing.T) {
	for name, after := range map[string]time.Duration{"heard": 300 * time.Millisecond, "may not hear": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var heard atomic.Bool
			h := NewHostWatch(NewCalm())
			h.heard = heard.Load
			src, waits := h.source(nil).(source.SyncingSource)
			if !waits {
				t.Fatal("nobody waits for hosts")
			}
			stop := time.AfterFunc(after, func() { heard.Store(true) })
			defer stop.Stop()
			began := time.Now()
			if err := src.WaitForSync(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(began); took < min(after, hostsPatience) || took > min(after, hostsPatience)+time.Second {
				t.Errorf("%s: waited for %s", name, took)
			}
		})
	}
}

func TestEachInstanceOnAHostIsNamedOnce(t *testing.T) {
	pod := func(name, instance, host string) client.Object {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{
			"app.kubernetes.io/name": "valkey", "app.kubernetes.io/instance": instance, v1alpha1.ComponentLabel: v1alpha1.ComponentData,
		}}, Spec: corev1.PodSpec{NodeName: host}}
	}
	api := fake.NewClientBuilder().WithObjects(pod("cart-0", "cart", "host-a"), pod("cart-1", "cart", "host-a"),
		pod("cart-2", "cart", "host-b"), pod("blog-0", "blog", "host-b")).Build()
	got := instancesOn(t.Context(), api, "host-a")
	if len(got) != 1 || got[0].String() != "shop/cart" {
		t.Errorf("named are %v", got)
	}
	if none := instancesOn(t.Context(), api, "host-c"); len(none) != 0 {
		t.Errorf("named are %v", none)
	}
}

func TestOfAHostOnlyWhatAnEvacuationIsReadFromIsKept(t *testing.T) {
	host := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "host-a", Labels: map[string]string{"a": "b"},
			Annotations: map[string]string{"c": "d", v1alpha1.EvacuateAnnotation: "soon"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}},
		Spec: corev1.NodeSpec{Unschedulable: true, Taints: []corev1.Taint{{Key: "e"}}, PodCIDR: "10.0.0.0/24"},
		Status: corev1.NodeStatus{Images: []corev1.ContainerImage{{Names: []string{"valkey"}}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Message: "container runtime is down"}}},
	}
	kept, err := stripHost(host)
	n, ok := kept.(*corev1.Node)
	if err != nil || !ok {
		t.Fatalf("%v, %v", kept, err)
	}
	if n.Name != "host-a" || !n.Spec.Unschedulable || len(n.Spec.Taints) != 1 || n.Annotations[v1alpha1.EvacuateAnnotation] != "soon" {
		t.Errorf("too little is kept: %+v", n)
	}
	if len(n.Annotations) != 1 || len(n.Labels)+len(n.ManagedFields)+len(n.Status.Images)+len(n.Status.Conditions) != 0 || n.Spec.PodCIDR != "" {
		t.Errorf("too much is kept: %+v", n)
	}
	began := metav1.NewTime(time.Unix(1000, 0))
	host.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue}, {Type: corev1.NodeReady, Status: corev1.ConditionFalse,
		Reason: "KubeletNotReady", Message: "[container runtime is down, node is shutting down]", LastHeartbeatTime: began, LastTransitionTime: began}}
	kept, err = stripHost(host)
	if n, ok = kept.(*corev1.Node); err != nil || !ok {
		t.Fatalf("%v, %v", kept, err)
	}
	only := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Message: "node is shutting down", LastTransitionTime: began}
	if len(n.Status.Conditions) != 1 || n.Status.Conditions[0] != only {
		t.Errorf("of its conditions %+v are kept", n.Status.Conditions)
	}
}
