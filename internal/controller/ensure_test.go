package controller

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

const threeServers = `{topology: Replication, replicas: 2, scheduling: {nodeSelector: {disk: fast}}}`

// versions are the resourceVersions of everything in the namespace.
func versions(t *testing.T, b bench) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, list := range []client.ObjectList{&appsv1.StatefulSetList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{},
		&corev1.SecretList{}, &policyv1.PodDisruptionBudgetList{}} {
		if err := b.List(t.Context(), list, client.InNamespace(b.namespace)); err != nil {
			t.Fatal(err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			o := item.(client.Object)
			out[fmt.Sprintf("%T %s", o, o.GetName())] = o.GetResourceVersion()
		}
	}
	return out
}

func TestEverythingThatIsDeclaredIsThereAfterOneTurn(t *testing.T) {
	b := newBench(t)
	declared := b.ensure(t, instance(t, b.namespace, threeServers))
	want := []string{
		"*v1.Secret cart-auth", "*v1.Secret cart-system",
		"*v1.Service cart-nodes", "*v1.Service cart-primary", "*v1.Service cart-replicas",
		"*v1.PodDisruptionBudget cart-primary", "*v1.PodDisruptionBudget cart-replicas", "*v1.StatefulSet cart",
	}
	have := slices.Collect(maps.Keys(versions(t, b)))
	for _, name := range want {
		if !slices.Contains(have, name) {
			t.Errorf("%s is not there; there are %v", name, have)
		}
	}
	sts := read(t, b, "cart", &appsv1.StatefulSet{})
	if !b.has(t, render.ConfigMapOf(sts.Spec.Template.Spec), &corev1.ConfigMap{}) {
		t.Error("the template's ConfigMap is not there")
	}
	secret := read(t, b, "cart-system", &corev1.Secret{})
	if declared.Creds.Password != string(secret.Data["operator-password"]) || declared.Creds.Username != "valkeeper" {
		t.Errorf("the credentials %+v are not those in the Secret", declared.Creds)
	}
	if declared.Generations["cart"] != sts.Generation {
		t.Errorf("generations %v are known, the StatefulSet has %d", declared.Generations, sts.Generation)
	}
}

func TestAnInstanceAtRestIsNotWrittenTo(t *testing.T) {
	for _, spec := range []string{threeServers, `{topology: Standalone, storage: {size: 1Gi}}`,
		`{topology: Cluster, shards: 4, storage: {size: 1Gi}}`,
		`{topology: Sentinel, sentinel: {replicas: 5, quorum: 4, resources: {limits: {memory: 64Mi}}}, podTemplate: {labels: {a: b}}}`,
		`{topology: Replication, replicas: 1, storage: {size: 1Gi}, config: {maxmemory: 64mb}, auth: {enabled: false}, resources: {requests: {cpu: 100m, memory: 1Gi}},
		  rollout: {strategy: RollingUpdate}, podTemplate: {annotations: {a: b}}, terminationGracePeriodSeconds: 90}`} {
		b := newBench(t)
		v := instance(t, b.namespace, spec)
		b.ensure(t, v)
		before := versions(t, b)
		b.writes.Store(0)
		for range 3 {
			b.ensure(t, v)
		}
		b.Ensurer = b.newEnsurer("registry.example/valkey") // an operator that restarts
		b.ensure(t, v)
		if n := b.writes.Load(); n != 0 {
			t.Errorf("%s: %d requests that change something", spec, n)
		}
		if after := versions(t, b); !maps.Equal(before, after) {
			t.Errorf("%s: before %v, after %v", spec, before, after)
		}
	}
}

func TestDriftIsPutRight(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	b.ensure(t, v)
	for name, drift := range map[string]struct {
		object  client.Object
		change  func(client.Object)
		righted func(client.Object) bool
	}{
		"a Service that leads to another port": {
			&corev1.Service{}, func(o client.Object) { o.(*corev1.Service).Spec.Ports[0].TargetPort = intstr.FromInt32(7000) },
			func(o client.Object) bool { return o.(*corev1.Service).Spec.Ports[0].TargetPort.IntValue() == 6379 }},
		"a Service without our label": {
			&corev1.Service{}, func(o client.Object) { delete(o.GetLabels(), "app.kubernetes.io/managed-by") },
			func(o client.Object) bool { return o.GetLabels()["app.kubernetes.io/managed-by"] != "" }},
		"a budget that asks for more": {
			&policyv1.PodDisruptionBudget{}, func(o client.Object) {
				o.(*policyv1.PodDisruptionBudget).Spec.MinAvailable = ptr.To(intstr.FromInt32(9))
			},
			func(o client.Object) bool {
				return o.(*policyv1.PodDisruptionBudget).Spec.MinAvailable.IntValue() == 1
			}},
		"a budget that the cache does not hold any more": {
			&policyv1.PodDisruptionBudget{}, func(o client.Object) { delete(o.GetLabels(), "app.kubernetes.io/managed-by") },
			func(o client.Object) bool { return o.GetLabels()["app.kubernetes.io/managed-by"] != "" }},
	} {
		obj := read(t, b, "cart-primary", drift.object)
		drift.change(obj)
		if err := b.Update(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
		b.ensure(t, v)
		if !drift.righted(read(t, b, "cart-primary", drift.object)) {
			t.Errorf("%s stays", name)
		}
	}
}

func TestAWishThatIsTakenBackIsTakenBack(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	b.ensure(t, v)
	v.Spec.Scheduling.NodeSelector = nil
	generation := b.ensure(t, v).Generations["cart"]
	sts := read(t, b, "cart", &appsv1.StatefulSet{})
	if len(sts.Spec.Template.Spec.NodeSelector) != 0 {
		t.Errorf("the pods still ask for %v", sts.Spec.Template.Spec.NodeSelector)
	}
	if generation != sts.Generation || generation < 2 {
		t.Errorf("generation %d is known, the StatefulSet has %d", generation, sts.Generation)
	}
}

func TestABudgetForOneReplicaLetsThatOneGo(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	b.ensure(t, v)
	v.Spec.Replicas = ptr.To[int32](1)
	b.ensure(t, v)
	budget := read(t, b, "cart-replicas", &policyv1.PodDisruptionBudget{})
	if n := budget.Spec.MinAvailable.IntValue(); n != 0 {
		t.Errorf("the budget asks for %d of 1 replica: it could never be evicted", n)
	}
}

func TestBudgetsThatAreSwitchedOffGo(t *testing.T) {
	b := newBench(t)
	foreign := &policyv1.PodDisruptionBudget{}
	foreign.Namespace, foreign.Name = b.namespace, "somebody-elses"
	v := instance(t, b.namespace, threeServers)
	foreign.Labels = v.PodSelector()
	if err := b.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	b.ensure(t, v)
	v.Spec.PodDisruptionBudget.Enabled = ptr.To(false)
	b.ensure(t, v)
	for _, name := range []string{"cart-primary", "cart-replicas"} {
		if b.has(t, name, &policyv1.PodDisruptionBudget{}) {
			t.Errorf("budget %s is still there", name)
		}
	}
	if !b.has(t, foreign.Name, &policyv1.PodDisruptionBudget{}) {
		t.Error("somebody else's budget has gone too")
	}
}

func TestTheStrategyCanBeChangedAndChangedBack(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	for _, strategy := range []string{"Handover", "RollingUpdate", "Handover", "RollingUpdate"} {
		v.Spec.Rollout.Strategy = v1alpha1.RolloutStrategy(strategy)
		b.ensure(t, v)
		want := appsv1.OnDeleteStatefulSetStrategyType
		if strategy == "RollingUpdate" {
			want = appsv1.RollingUpdateStatefulSetStrategyType
		}
		if have := read(t, b, "cart", &appsv1.StatefulSet{}).Spec.UpdateStrategy.Type; have != want {
			t.Errorf("with strategy %s the StatefulSet has %s", strategy, have)
		}
	}
}

func TestANewOperatorRestartsNothing(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	b.ensure(t, v)
	before := read(t, b, "cart", &appsv1.StatefulSet{})
	b.Ensurer = b.newEnsurer("registry.example/another") // its template would differ
	b.ensure(t, v)
	after := read(t, b, "cart", &appsv1.StatefulSet{})
	if after.Generation != before.Generation {
		t.Errorf("the template has changed: %s, before %s",
			after.Spec.Template.Spec.Containers[0].Image, before.Spec.Template.Spec.Containers[0].Image)
	}
	v.Spec.RestartToken = "now"
	b.ensure(t, v)
	after = read(t, b, "cart", &appsv1.StatefulSet{})
	if image := after.Spec.Template.Spec.Containers[0].Image; image != "registry.example/another:9.1" {
		t.Errorf("the next wish of the user is carried out with the image %s", image)
	}
}

func TestASizeThatHasChangedMeanwhileIsNotUndone(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	b.ensure(t, v)
	seen := read(t, b, "cart", &appsv1.StatefulSet{})
	scaled := seen.DeepCopy()
	scaled.Spec.Replicas = ptr.To[int32](4)
	if err := b.Update(t.Context(), scaled); err != nil {
		t.Fatal(err)
	}
	desired := seen.DeepCopy()
	desired.Annotations["valkeeper.io/inputs-hash"] = "another"
	desired.ManagedFields, desired.ResourceVersion = nil, "" // as it is rendered
	err := b.ensureStatefulSet(t.Context(), seen, desired, &memory{})
	if !conflicted(err) {
		t.Errorf("written from an old sight of it: %v", err)
	}
	if n := *read(t, b, "cart", &appsv1.StatefulSet{}).Spec.Replicas; n != 4 {
		t.Errorf("the size is %d again", n)
	}
}
