package observe

import (
	"context"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// claim is the volume claim of that name, of cart.
func claim(name string, change ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	out := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: cart().PodSelector(),
		Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes"}}}
	for _, c := range change {
		c(out)
	}
	return out
}

func goesWithItsPod(c *corev1.PersistentVolumeClaim) {
	c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "cart-3", UID: "uid"}}
}

func isBeingDeleted(c *corev1.PersistentVolumeClaim) {
	now := metav1.Now()
	c.DeletionTimestamp, c.Finalizers = &now, []string{"kubernetes.io/pvc-protection"}
}

// isUnbound: no pod has ever been scheduled with it, so nothing is in it.
func isUnbound(c *corev1.PersistentVolumeClaim) {
	c.Annotations = map[string]string{"volume.kubernetes.io/storage-provisioner": "rancher.io/local-path"}
}

func isOthers(c *corev1.PersistentVolumeClaim) { c.Labels = map[string]string{"app": "shop"} }

func TestTheClaimsOfPodsThatLeaveAreSeen(t *testing.T) {
	c := fake.NewClientBuilder().WithObjects(
		claim("data-cart-0"), claim("data-cart-3", goesWithItsPod), claim("data-cart-12", isBeingDeleted), claim("data-cart-5"),
		claim("data-cart-04"), claim("data-cart-b-7"), claim("other-cart-8"), claim("data-cart-9", isOthers),
		claim("data-cart-4", isUnbound), claim("data-cart-6", isUnbound, goesWithItsPod), claim("data-cart-7", isUnbound, isBeingDeleted)).Build()
	v := cart()
	if seen, err := Claims(t.Context(), c, v); err != nil || len(seen) > 0 {
		t.Errorf("without storage nobody asks: %v, %v", seen, err)
	}
	v.Spec.Storage = &v1alpha1.Storage{Size: resource.MustParse("1Gi")}
	seen, err := Claims(t.Context(), c, v)
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Leftover{
		{Claim: "data-cart-3", Ordinal: 3, Going: true},
		{Claim: "data-cart-5", Ordinal: 5},
		{Claim: "data-cart-6", Ordinal: 6, Going: true},
		{Claim: "data-cart-7", Ordinal: 7, Going: true},
		{Claim: "data-cart-12", Ordinal: 12, Going: true},
	}
	if have := leftovers("cart", 3, seen); !reflect.DeepEqual(have, want) {
		t.Errorf("\nhave %+v\nwant %+v", have, want)
	}
}

// denied is a reader that may not list claims.
type denied struct{ client.Reader }

func (denied) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return context.DeadlineExceeded
}

func TestClaimsThatCannotBeListedAreAnError(t *testing.T) {
	v := cart()
	v.Spec.Storage = &v1alpha1.Storage{Size: resource.MustParse("1Gi")}
	if _, err := Claims(t.Context(), denied{}, v); err == nil {
		t.Error("no error: what could not be seen would pass for nothing")
	}
}

// A server that is away may hold the newest data, unless nothing can be on its volume.
func TestAVolumeThatNothingCanBeOnIsSeen(t *testing.T) {
	made := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	at := func(after time.Duration, change ...func(*corev1.Pod)) *corev1.Pod {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "cart-1", CreationTimestamp: metav1.NewTime(made.Add(after))},
			Status: corev1.PodStatus{Phase: corev1.PodPending}}
		for _, c := range change {
			c(pod)
		}
		return pod
	}
	container := func(status corev1.ContainerStatus) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{status} }
	}
	pulls := container(corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}})
	crashed := container(corev1.ContainerStatus{RestartCount: 1, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}})
	ended := container(corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}})
	runs := func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }
	bound := func(c *corev1.PersistentVolumeClaim) { c.CreationTimestamp = made }
	unbound := func(c *corev1.PersistentVolumeClaim) { c.CreationTimestamp, c.Annotations = made, nil }
	for name, c := range map[string]struct {
		claim *corev1.PersistentVolumeClaim
		pod   *corev1.Pod
		want  bool
	}{
		"no room, not bound":                    {claim("data-cart-1", unbound), at(0), true},
		"refused, not bound":                    {claim("data-cart-1", unbound), nil, true},
		"refused, bound at once":                {claim("data-cart-1", bound), nil, false},
		"no room, bound at once":                {claim("data-cart-1", bound), at(0), true},
		"its image cannot be pulled":            {claim("data-cart-1", bound), at(time.Second, pulls), true},
		"a pod made anew, on the volume":        {claim("data-cart-1", bound), at(3*time.Second, pulls), false},
		"it has crashed":                        {claim("data-cart-1", bound), at(0, crashed), false},
		"it has ended":                          {claim("data-cart-1", bound), at(0, ended), false},
		"it runs":                               {claim("data-cart-1", bound), at(0, runs), false},
		"a claim that is not ours, or not seen": {claim("data-cart-1", unbound, isOthers), at(0), false},
		"another's claim":                       {claim("data-cart-11", unbound), at(0), false},
	} {
		v := cart()
		v.Spec.Storage = &v1alpha1.Storage{Size: resource.MustParse("1Gi")}
		seen, err := Claims(t.Context(), fake.NewClientBuilder().WithObjects(c.claim).Build(), v)
		if err != nil {
			t.Fatal(err)
		}
		nodes, pods := []model.Node{{Ref: model.Ref{Name: "cart-1"}}}, []corev1.Pod{}
		if c.pod != nil {
			pods = append(pods, *c.pod)
		}
		if seeBlanks(nodes, pods, seen); nodes[0].Blank != c.want {
			t.Errorf("%s: %t", name, nodes[0].Blank)
		}
	}
}

// A backup brings claims back with our labels, and with data: one that is yet to be filled
// from a snapshot, and one that was given its volume beforehand (the binder then leaves out
// pv.kubernetes.io/bound-by-controller). The pods come within the same second.
func TestAClaimThatWasRestoredIsNotBlank(t *testing.T) {
	made := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for name, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"from a snapshot, not bound yet": func(c *corev1.PersistentVolumeClaim) {
			c.CreationTimestamp, c.Annotations = made, nil
			c.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: "cart-1"}
		},
		"to a volume that is there": func(c *corev1.PersistentVolumeClaim) {
			c.CreationTimestamp, c.Spec.VolumeName = made, "pv-of-the-backup"
		},
	} {
		v := cart()
		v.Spec.Storage = &v1alpha1.Storage{Size: resource.MustParse("1Gi")}
		seen, err := Claims(t.Context(), fake.NewClientBuilder().WithObjects(claim("data-cart-1", change)).Build(), v)
		if err != nil {
			t.Fatal(err)
		}
		nodes := []model.Node{{Ref: model.Ref{Name: "cart-1"}}}
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "cart-1", CreationTimestamp: made}, Status: corev1.PodStatus{Phase: corev1.PodPending}}
		if seeBlanks(nodes, []corev1.Pod{pod}, seen); nodes[0].Blank {
			t.Errorf("%s: nobody waits for it, and an empty server is promoted beside it", name)
		}
	}
}
