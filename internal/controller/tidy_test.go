package controller

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

// settingsOf is the ConfigMap that the template names.
func settingsOf(t *testing.T, b bench) string {
	t.Helper()
	return render.ConfigMapOf(read(t, b, "cart", &appsv1.StatefulSet{}).Spec.Template.Spec)
}

// pod makes one as the StatefulSet controller would, of a revision.
func (b bench) pod(t *testing.T, name, revision string) {
	t.Helper()
	template := read(t, b, "cart", &appsv1.StatefulSet{}).Spec.Template
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
	pod.Namespace, pod.Name = b.namespace, name
	pod.Labels[appsv1.ControllerRevisionHashLabelKey] = revision
	if err := b.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
}

// revision is what the StatefulSet controller says of the newest template.
func (b bench) revision(t *testing.T, name string) {
	t.Helper()
	sts := read(t, b, "cart", &appsv1.StatefulSet{})
	sts.Status = appsv1.StatefulSetStatus{ObservedGeneration: sts.Generation, UpdateRevision: name}
	if err := b.Status().Update(t.Context(), sts); err != nil {
		t.Fatal(err)
	}
}

func TestOldSettingsGoOnceEveryPodHasTheNewOnes(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Replication, replicas: 1}`)
	b.ensure(t, v)
	before := settingsOf(t, b)
	b.pod(t, "cart-0", "first")
	b.pod(t, "cart-1", "first")
	b.revision(t, "first")

	v.Spec.Config = v1alpha1.Config{"maxmemory": "64mb"}
	b.ensure(t, v)
	now := settingsOf(t, b)
	if before == now {
		t.Fatal("the settings have not changed")
	}
	stays := func(when string) {
		t.Helper()
		if err := b.Tidy(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if !b.has(t, before, &corev1.ConfigMap{}) {
			t.Errorf("%s, the settings that older pods start with are gone", when)
		}
	}
	stays("before the StatefulSet controller has seen the new template")
	b.revision(t, "second")
	stays("while both pods are of the first revision")
	if err := b.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "cart-1"}}); err != nil {
		t.Fatal(err)
	}
	b.pod(t, "cart-1", "second")
	stays("while one pod is of the first revision")
	if err := b.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "cart-0"}}); err != nil {
		t.Fatal(err)
	}
	stays("while a pod is away, which may come back with the first revision")
	b.pod(t, "cart-0", "second")
	if err := b.Tidy(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if b.has(t, before, &corev1.ConfigMap{}) {
		t.Error("the old settings stay for ever")
	}
	if !b.has(t, now, &corev1.ConfigMap{}) {
		t.Error("the settings in use are gone")
	}
}
