package controller

import (
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

// ofSentinels are the objects that topology Sentinel has and no other.
var ofSentinels = map[string]client.Object{
	"StatefulSet cart-sentinel":         &appsv1.StatefulSet{},
	"Service cart-sentinel":             &corev1.Service{},
	"Service cart-sentinel-nodes":       &corev1.Service{},
	"PodDisruptionBudget cart-sentinel": &policyv1.PodDisruptionBudget{},
}

func nameOf(what string) string { return what[strings.Index(what, " ")+1:] }

func TestSentinelsAreDeclaredWithTheirTopologyAlone(t *testing.T) {
	for spec, want := range map[string]bool{`{topology: Sentinel}`: true, threeServers: false, `{topology: Cluster}`: false} {
		b := newBench(t)
		declared := b.ensure(t, instance(t, b.namespace, spec))
		for what, kind := range ofSentinels {
			if b.has(t, nameOf(what), kind) != want {
				t.Errorf("%s: %s is there: %t", spec, what, !want)
			}
		}
		secret := read(t, b, "cart-system", &corev1.Secret{})
		password := string(secret.Data[v1alpha1.SentinelPasswordKey])
		if (password != "") != want || declared.Sentinel.Password != password {
			t.Errorf("%s: the Sentinels' password is %q, and %q in the Secret", spec, declared.Sentinel.Password, password)
		}
		if !want {
			continue
		}
		set := read(t, b, "cart-sentinel", &appsv1.StatefulSet{})
		if declared.Generations["cart-sentinel"] != set.Generation || set.Generation == 0 || declared.Generations["cart"] == 0 {
			t.Errorf("generations %v are known, that of the Sentinels is %d", declared.Generations, set.Generation)
		}
		if !b.has(t, render.ConfigMapOf(set.Spec.Template.Spec), &corev1.ConfigMap{}) {
			t.Error("the Sentinels' ConfigMap is not there")
		}
	}
}

// An instance whose Secret an operator made that knew no Sentinels.
func TestAMissingPasswordOfSentinelsIsAddedToASecretThatIsThere(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Sentinel}`)
	before := b.ensure(t, v)
	secret := read(t, b, "cart-system", &corev1.Secret{})
	for _, key := range []string{v1alpha1.SentinelPasswordKey, "sentinel-users.acl", "sentinel-auth.conf"} {
		delete(secret.Data, key)
	}
	if err := b.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	b.Ensurer = b.newEnsurer("registry.example/valkey")
	after := b.ensure(t, v)
	if after.Creds != before.Creds || after.Sentinel.Password == "" {
		t.Errorf("the operator has %v of %v, and Sentinels the password %q", after.Creds, before.Creds, after.Sentinel.Password)
	}
	if len(read(t, b, "cart-system", &corev1.Secret{}).Data["sentinel-users.acl"]) == 0 {
		t.Error("Sentinels have no users")
	}
	if after.Generations["cart"] != 0 || after.Generations["cart-sentinel"] != 0 {
		t.Errorf("StatefulSets were written: %v", after.Generations)
	}
}

func TestThePlanOwnsHowManySentinelsThereAre(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Sentinel, sentinel: {replicas: 5}}`)
	b.ensure(t, v)
	v.Spec.Sentinel.Replicas, v.Spec.Sentinel.RestartToken = ptr.To[int32](3), "again"
	b.ensure(t, v)
	set := read(t, b, "cart-sentinel", &appsv1.StatefulSet{})
	if *set.Spec.Replicas != 5 || set.Spec.Template.Annotations["valkeeper.io/restart-token"] != "again" {
		t.Errorf("there are %d Sentinels, with the annotations %v", *set.Spec.Replicas, set.Spec.Template.Annotations)
	}
	budget := func() int {
		return read(t, b, "cart-sentinel", &policyv1.PodDisruptionBudget{}).Spec.MinAvailable.IntValue()
	}
	if budget() != 3 {
		t.Errorf("while there are 5 Sentinels, evictions may leave %d of them", budget())
	}
	set.Spec.Replicas = ptr.To[int32](3)
	if err := b.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	b.ensure(t, v)
	if budget() != 2 {
		t.Errorf("of 3 Sentinels %d must stay", budget())
	}
}

func TestTheBudgetOfSentinelsGoesWithTheOthers(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Sentinel}`)
	b.ensure(t, v)
	v.Spec.PodDisruptionBudget.Enabled = ptr.To(false)
	b.ensure(t, v)
	for _, name := range []string{"cart-primary", "cart-replicas", "cart-sentinel"} {
		if b.has(t, name, &policyv1.PodDisruptionBudget{}) {
			t.Errorf("budget %s is still there", name)
		}
	}
}

func TestSentinelsOfSomebodyElsesAreNotTaken(t *testing.T) {
	for what := range ofSentinels {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			kind, _, _ := strings.Cut(what, " ")
			like := somebodyElses[map[string]string{"StatefulSet": kind, "PodDisruptionBudget": kind, "Service": "headless Service"}[kind]]
			foreign := like.DeepCopyObject().(client.Object)
			foreign.SetNamespace(b.namespace)
			foreign.SetName(nameOf(what))
			if err := b.Create(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			before := foreign.GetResourceVersion()
			_, err := b.Ensure(t.Context(), instance(t, b.namespace, `{topology: Sentinel}`))
			if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), nameOf(what)) {
				t.Errorf("the error is %v", err)
			}
			if after := read(t, b, nameOf(what), foreign).GetResourceVersion(); after != before {
				t.Error("it has been changed")
			}
			b.ensure(t, instance(t, b.namespace, threeServers)) // which needs no such name
		})
	}
}

// podOf makes one as the StatefulSet controller would, of the revision first.
func (b bench) podOf(t *testing.T, set, ordinal string) {
	t.Helper()
	template := read(t, b, set, &appsv1.StatefulSet{}).Spec.Template
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
	pod.Namespace, pod.Name = b.namespace, set+"-"+ordinal
	pod.Labels[appsv1.ControllerRevisionHashLabelKey] = "first"
	if err := b.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
}

func TestOldSettingsOfSentinelsGoOnceEverySentinelHasTheNewOnes(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Sentinel, replicas: 1}`)
	b.ensure(t, v)
	old := read(t, b, settingsOf(t, b), &corev1.ConfigMap{}).DeepCopy()
	old.ObjectMeta = metav1.ObjectMeta{Namespace: b.namespace, Name: "cart-sentinel-config-old",
		Labels: v.SentinelSelector(), OwnerReferences: old.OwnerReferences}
	old.Labels["app.kubernetes.io/managed-by"] = v1alpha1.ManagedBy
	if err := b.Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	b.podOf(t, "cart", "0")
	b.podOf(t, "cart", "1")
	b.scaled(t, "cart", 2, 2)
	b.podOf(t, "cart-sentinel", "0")
	b.podOf(t, "cart-sentinel", "1")
	b.scaled(t, "cart-sentinel", 3, 3)
	tidied := func() bool {
		t.Helper()
		if err := b.Tidy(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		return !b.has(t, old.Name, &corev1.ConfigMap{})
	}
	if tidied() {
		t.Error("while a Sentinel is away, which may come back with the old settings, they are gone")
	}
	b.podOf(t, "cart-sentinel", "2")
	if !tidied() {
		t.Error("the old settings stay for ever")
	}
	sentinels := read(t, b, "cart-sentinel", &appsv1.StatefulSet{})
	for _, name := range []string{settingsOf(t, b), render.ConfigMapOf(sentinels.Spec.Template.Spec)} {
		if !b.has(t, name, &corev1.ConfigMap{}) {
			t.Errorf("%s, which is in use, is gone", name)
		}
	}
}

func TestPodsOfServersAndSentinelsWakeTheirInstance(t *testing.T) {
	v := instance(t, "shop", `{topology: Sentinel}`)
	for name, row := range map[string]struct {
		labels map[string]string
		wakes  bool
	}{
		"a server":               {v.PodSelector(), true},
		"a Sentinel":             {v.SentinelSelector(), true},
		"of no kind":             {v.InstanceSelector(), false},
		"somebody else's server": {map[string]string{"app.kubernetes.io/name": "shop", "app.kubernetes.io/component": "data"}, false},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", Labels: row.labels}}
		requests := instanceOfPod(t.Context(), pod)
		if !row.wakes && len(requests) != 0 || row.wakes && (len(requests) != 1 || requests[0].String() != "shop/cart") {
			t.Errorf("%s wakes %v", name, requests)
		}
	}
}
