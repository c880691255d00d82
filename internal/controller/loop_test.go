package controller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/observe"
	"github.com/valkeeper/valkeeper/internal/render"
	"github.com/valkeeper/valkeeper/internal/servers"
	servertest "github.com/valkeeper/valkeeper/internal/servers/fake"
)

// loop is the whole operator but for its watches, on a fake API server, with
// two servers on loopback that do as they are told.
type loop struct {
	*Reconciler
	api     client.WithWatch
	writes  []string
	refuse  func(request string) error
	servers []*servertest.Server
	primary int // which of the servers is primary; -1 for none
	follows []bool
}

var cartKey = types.NamespacedName{Namespace: "shop", Name: "cart"}

func newLoop(t *testing.T) *loop {
	t.Helper()
	v := instance(t, "shop", `{topology: Replication, replicas: 1}`)
	l := &loop{primary: -1, follows: make([]bool, 2), refuse: func(string) error { return nil }}
	l.api = fake.NewClientBuilder().WithScheme(testScheme(t)).WithObjects(v).
		WithStatusSubresource(&v1alpha1.Valkey{}, &corev1.Pod{}, &appsv1.StatefulSet{}).
		WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string {
			return []string{string(o.(*corev1.Event).InvolvedObject.UID)}
		}).Build()
	c := interceptor.NewClient(l.api, l.intercept())
	pool := servers.NewPool()
	calm := NewCalm()
	calm.latest = time.Now().Add(-time.Minute)
	l.Reconciler = &Reconciler{Client: c, Live: l.api, Servers: pool, Turns: act.NewTurns(), Calm: calm, Sentries: NewSentries(),
		Events:   &Events{Recorder: events.NewFakeRecorder(1000)},
		Objects:  NewEnsurer(c, l.api, render.Site{ImageRepository: "registry.example/valkey"}),
		Observer: observe.Observer{Silence: observe.NewSilence(), Reader: l.api, Servers: pool, Calm: calm, Zones: observe.NewZones(l.api), Now: time.Now},
	}
	t.Cleanup(func() { l.forget("shop/cart") })
	return l
}

func (l *loop) take(verb string, obj client.Object) error {
	request := fmt.Sprintf("%s %T %s", verb, obj, obj.GetName())
	l.writes = append(l.writes, request)
	return l.refuse(request)
}

func (l *loop) intercept() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return errors.Join(l.take("create", obj), c.Create(ctx, obj, opts...))
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			l.writes = append(l.writes, fmt.Sprintf("apply %T", obj))
			return c.Apply(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := l.take("patch", obj); err != nil {
				return err
			}
			return c.Patch(ctx, obj, patch, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := l.take("patch "+sub, obj); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	}
}

// kubernetes does what the StatefulSet controller, the kubelets and the servers
// do: two pods of the newest revision run, their servers are booted.
func (l *loop) kubernetes(t *testing.T) {
	t.Helper()
	sts := &appsv1.StatefulSet{}
	if err := l.api.Get(t.Context(), cartKey, sts); err != nil {
		t.Fatal(err)
	}
	sts.Status = appsv1.StatefulSetStatus{ObservedGeneration: sts.Generation, UpdateRevision: "first"}
	if err := l.api.Status().Update(t.Context(), sts); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		ip := fmt.Sprintf("127.%d.%d.%d", 70+i, rand.IntN(250), 1+rand.IntN(250)) // the port is fixed
		s := servertest.Listen(t, fmt.Sprintf("%s:%d", ip, v1alpha1.Port))
		s.Then("REPLICAOF", func() { l.obey(i) })
		l.servers = append(l.servers, s)
		pod := &corev1.Pod{ObjectMeta: *sts.Spec.Template.ObjectMeta.DeepCopy(), Spec: *sts.Spec.Template.Spec.DeepCopy()}
		pod.Namespace, pod.Name, pod.UID = "shop", fmt.Sprintf("cart-%d", i), types.UID(fmt.Sprintf("uid-%d", i))
		pod.Labels[appsv1.ControllerRevisionHashLabelKey] = "first"
		pod.Spec.NodeName = "host-a"
		pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: v1alpha1.ContainerName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}
		if err := l.api.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
	l.say()
}

// obey is called just before a REPLICAOF is answered: the first one makes a
// primary, the others its replicas.
func (l *loop) obey(i int) {
	if l.primary < 0 {
		l.primary = i
	} else if i != l.primary {
		l.follows[i] = true
	}
	l.say()
}

// say sets what INFO of both servers is now.
func (l *loop) say() {
	for i, s := range l.servers {
		s.Info(nil)
		if i == l.primary {
			var replicas []string
			if other := 1 - i; l.follows[other] {
				replicas = append(replicas, l.servers[other].Addr())
			}
			s.Info(servertest.Primary("h1", 100, replicas...))
		} else if l.follows[i] {
			s.Info(servertest.Replica(l.servers[l.primary].Addr(), "h1", 100))
		}
		s.Reply("CLIENT LIST", servertest.Bulk(""))
	}
}

func (l *loop) turnOnce(t *testing.T) (ctrl.Result, error) {
	t.Helper()
	return l.Reconcile(t.Context(), ctrl.Request{NamespacedName: cartKey})
}

func (l *loop) valkey(t *testing.T) *v1alpha1.Valkey {
	t.Helper()
	v := &v1alpha1.Valkey{}
	if err := l.api.Get(t.Context(), cartKey, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// settle turns until nothing is due.
func (l *loop) settle(t *testing.T) {
	t.Helper()
	for range 50 {
		result, err := l.turnOnce(t)
		if err != nil {
			t.Fatal(err)
		}
		if result.RequeueAfter == idleEvery {
			return
		}
	}
	t.Fatalf("it does not come to rest: %+v", l.valkey(t).Status)
}

// formed is an instance that has come up.
func formed(t *testing.T) *loop {
	t.Helper()
	l := newLoop(t)
	if _, err := l.turnOnce(t); err != nil {
		t.Fatal(err)
	}
	l.kubernetes(t)
	l.settle(t)
	return l
}

func conditionOf(v *v1alpha1.Valkey, kind string) metav1.Condition {
	for _, c := range v.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

func TestANewInstanceComesUpAndComesToRest(t *testing.T) {
	l := formed(t)
	v := l.valkey(t)
	for kind, want := range map[string]metav1.ConditionStatus{"Ready": "True", "RolledOut": "True", "Progressing": "False", "Degraded": "False"} {
		if c := conditionOf(v, kind); c.Status != want {
			t.Errorf("%s is %s: %s: %s", kind, c.Status, c.Reason, c.Message)
		}
	}
	slice := &discoveryv1.EndpointSlice{}
	if err := l.api.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "cart-primary"}, slice); err != nil {
		t.Fatal(err)
	}
	if len(slice.Endpoints) != 1 || slice.Endpoints[0].TargetRef.Name != v.Status.Primary {
		t.Errorf("the primary Service leads to %+v, the primary is %s", slice.Endpoints, v.Status.Primary)
	}
	if !v.Status.Formed || len(v.Status.History) != 1 || v.Status.Ready != "2/2" {
		t.Errorf("%+v", v.Status)
	}
}

func TestTwentyTurnsAtRestWriteNothing(t *testing.T) {
	l := formed(t)
	l.writes = nil
	for range 20 {
		if result, err := l.turnOnce(t); err != nil || result.RequeueAfter != idleEvery {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	if len(l.writes) != 0 {
		t.Errorf("written: %q", l.writes)
	}
}

func TestLagAloneIsWrittenNowAndThen(t *testing.T) {
	l := formed(t)
	h := newHands()
	h.at = time.Now()
	l.reported.clock = h.clock
	l.reported.wrote("shop/cart")
	l.writes = nil
	behind := servertest.Primary("h1", 9000)
	behind["slave0"] = strings.Replace(servertest.Primary("h1", 100, l.servers[1-l.primary].Addr())["slave0"], "lag=0", "lag=1", 1)
	l.servers[l.primary].Info(behind)
	for range 5 {
		if _, err := l.turnOnce(t); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.writes) != 0 {
		t.Errorf("at once: %q", l.writes)
	}
	h.at = h.at.Add(wordsEvery)
	for range 5 {
		if _, err := l.turnOnce(t); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.writes) != 1 {
		t.Errorf("later: %q", l.writes)
	}
}

func TestAWishThatCannotBeCarriedOutIsShownAndServersAreLookedAfter(t *testing.T) {
	l := formed(t)
	v := l.valkey(t)
	v.Spec.Auth.SecretName = "not-there"
	v.Generation++
	if err := l.api.Update(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if _, err := l.turnOnce(t); err != nil {
		t.Fatal(err)
	}
	now := l.valkey(t)
	if c := conditionOf(now, "Degraded"); c.Status != "True" || c.Reason != "ReconcileFailed" || !strings.Contains(c.Message, "not-there") {
		t.Errorf("Degraded: %+v", c)
	}
	if c := conditionOf(now, "Ready"); c.Status != "True" {
		t.Errorf("Ready: %+v", c)
	}
	// Its replica restarts and is taken in again all the same.
	l.follows[1-l.primary] = false
	l.say()
	l.writes = nil
	for !l.follows[1-l.primary] {
		if _, err := l.turnOnce(t); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStepThatFailsIsShownUntilItSucceeds(t *testing.T) {
	l := newLoop(t)
	if _, err := l.turnOnce(t); err != nil {
		t.Fatal(err)
	}
	l.kubernetes(t)
	l.refuse = func(request string) error {
		if strings.Contains(request, "Pod") {
			return errors.New("pods are refused")
		}
		return nil
	}
	failures := 0
	for range 10 {
		if _, err := l.turnOnce(t); err != nil {
			failures++
		}
	}
	if c := conditionOf(l.valkey(t), "Degraded"); failures == 0 || c.Status != "True" || !strings.Contains(c.Message, "pods are refused") {
		t.Errorf("%d failures; Degraded: %+v", failures, c)
	}
	l.writes = nil
	_, _ = l.turnOnce(t)
	for _, w := range l.writes {
		if strings.Contains(w, "Valkey") {
			t.Errorf("the status blinks: %q", l.writes)
		}
	}
	l.refuse = func(string) error { return nil }
	l.settle(t)
	if c := conditionOf(l.valkey(t), "Degraded"); c.Status != "False" {
		t.Errorf("Degraded: %+v", c)
	}
}
