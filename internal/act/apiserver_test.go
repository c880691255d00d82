package act

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// real is an Actor on a real API server, with one pod that runs.
type real struct {
	*Actor
	client.Client
	pod    *corev1.Pod
	config *rest.Config
}

func newReal(t *testing.T) real {
	t.Helper()
	const env = "VALKEEPER_APISERVER_KUBECONFIG"
	file := os.Getenv(env)
	if file == "" {
		if os.Getenv("VALKEEPER_REQUIRE_SERVERS") == "1" {
			t.Fatalf("%s is not set: try testbed apiserver start", env)
		}
		t.Skipf("no API server: set %s (testbed apiserver start prints the path)", env)
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	unwrapped := rest.CopyConfig(config)
	config.Wrap(EvictOnce)
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "act-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), namespace) })
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "cart-0", Labels: map[string]string{"app": "cart"}},
		Spec:       corev1.PodSpec{NodeName: "host-a", Containers: []corev1.Container{{Name: "valkey", Image: "valkey"}}},
	}
	if err := c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := c.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	v := &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "cart"}}
	return real{Actor: &Actor{Client: c, Valkey: v}, Client: c, pod: pod, config: unwrapped}
}

func (r real) ref() model.Ref { return model.Ref{Name: r.pod.Name, UID: string(r.pod.UID)} }

func (r real) budget(t *testing.T, name string) {
	t.Helper()
	if err := r.Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.pod.Namespace, Name: name},
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromInt32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: r.pod.Labels}},
	}); err != nil {
		t.Fatal(err)
	}
}

func TestARealServerLeavesAnotherPodOfTheNameAlone(t *testing.T) {
	r := newReal(t)
	before := r.pod.ResourceVersion
	another := r.ref()
	another.UID = "another-uid"
	for name, do := range map[string]func() error{
		"its label": func() error {
			return r.label(t.Context(), model.Publication{Node: another, Role: model.RolePrimary})
		},
		"its gate":     func() error { return r.putInService(t.Context(), model.Publication{Node: another}) },
		"its eviction": func() error { _, err := r.restart(t.Context(), "cart", model.Restart{Node: another}); return err },
	} {
		if err := do(); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(r.pod), r.pod); err != nil || r.pod.ResourceVersion != before {
		t.Errorf("it has been changed (%v)", err)
	}
}

func TestARealServerShowsWhatIsPublished(t *testing.T) {
	r := newReal(t)
	if err := r.drain(t.Context(), model.Drain{Node: r.ref(), Start: true}); err != nil {
		t.Fatal(err)
	}
	shown := model.Publication{Node: r.ref(), Role: model.RolePrimary, InService: true, EndDrain: true}
	if err := errors.Join(r.label(t.Context(), shown), r.putInService(t.Context(), shown)); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(r.pod), pod); err != nil {
		t.Fatal(err)
	}
	if pod.Labels[v1alpha1.RoleLabel] != "primary" || pod.Annotations[v1alpha1.DrainingSinceAnnotation] != "" {
		t.Errorf("labels %v, annotations %v", pod.Labels, pod.Annotations)
	}
	if len(pod.Status.Conditions) != 2 {
		t.Errorf("the gate has taken the place of other conditions: %+v", pod.Status.Conditions)
	}
}

func TestARealServerRefusesAnEvictionAtOnceAndSaysWhy(t *testing.T) {
	r := newReal(t)
	r.budget(t, "theirs") // which nobody works on here
	start := time.Now()
	out, err := r.restart(t.Context(), "cart", model.Restart{Node: r.ref()})
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.BudgetExhausted || !strings.Contains(out.Holds[0].Detail, "theirs") {
		t.Errorf("%+v, %v", out, err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	r.budget(t, "a-second")
	out, err = r.restart(t.Context(), "cart", model.Restart{Node: r.ref()})
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.EvictionRefused || !strings.Contains(out.Holds[0].Detail, "more than one") {
		t.Errorf("%+v, %v", out, err)
	}
}

// The control of the test above: left to itself, client-go waits 10 s and evicts
// again, whatever has become of the pod.
func TestClientGoByItselfWouldEvictAgainLater(t *testing.T) {
	r := newReal(t)
	r.budget(t, "theirs")
	c, err := client.New(r.config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err = c.SubResource("eviction").Create(ctx, r.pod, &policyv1.Eviction{})
	if apierrors.IsTooManyRequests(err) {
		t.Errorf("it was answered within 2 s with %v: EvictOnce has nothing to do", err)
	}
}
