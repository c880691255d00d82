package render

import (
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// found are StatefulSets that exist.
func found(sets ...*appsv1.StatefulSet) map[string]*appsv1.StatefulSet {
	out := map[string]*appsv1.StatefulSet{}
	for _, s := range sets {
		out[s.Name] = s
	}
	return out
}

// byOlderOperator is the instance's StatefulSet as an operator of another
// version made it: other image, other probe, other settings.
func byOlderOperator(t *testing.T, v *v1alpha1.Valkey) *appsv1.StatefulSet {
	t.Helper()
	set := rendered(t, v, Inputs{Site: Site{ImageRepository: "old.example.com/valkey"}, Random: fixed().Random}).StatefulSets[0]
	pod := &set.Spec.Template.Spec
	pod.Containers[0].ReadinessProbe.PeriodSeconds = 5
	pod.Containers[0].Env = []corev1.EnvVar{{Name: "OLD", Value: "yes"}}
	pod.Volumes[0].Projected.Sources[0].ConfigMap.Name = v.Name + "-config-old"
	set.Spec.Template.Labels["old"] = "yes"
	for i := range set.Spec.VolumeClaimTemplates {
		set.Spec.VolumeClaimTemplates[i].Labels = map[string]string{"old": "yes"}
	}
	return set
}

func TestAnOperatorUpgradeChangesNoPod(t *testing.T) {
	v := instance(t, `{topology: Replication, storage: {size: 1Gi}}`)
	old := byOlderOperator(t, v)
	in := fixed()
	in.StatefulSets = found(old)
	all := rendered(t, v, in)
	got := all.StatefulSets[0]
	if all.ConfigMap != nil {
		t.Errorf("ConfigMap %s would be written for nobody, and tidied up, and written again", all.ConfigMap.Name)
	}
	if !reflect.DeepEqual(got.Spec.Template, old.Spec.Template) {
		t.Errorf("the pod template changed, so every instance restarts:\n got %+v\nwant %+v", got.Spec.Template, old.Spec.Template)
	}
	if !reflect.DeepEqual(got.Spec.VolumeClaimTemplates, old.Spec.VolumeClaimTemplates) {
		t.Errorf("the volumeClaimTemplates changed, which Kubernetes refuses")
	}
}

func TestWhatIsNoWishOfThePodLeavesTheTemplateAlone(t *testing.T) {
	v := instance(t, `{topology: Replication}`)
	old := byOlderOperator(t, v)
	for name, spec := range map[string]string{
		"replicas": `{topology: Replication, replicas: 5}`,
		"rollout":  `{topology: Replication, rollout: {strategy: RollingUpdate, paused: true, maxLag: 65536}}`,
		"budget":   `{topology: Replication, podDisruptionBudget: {enabled: false}}`,
		"defaults": `{topology: Replication, auth: {enabled: true}, resources: {}, scheduling: {}, persistence: {}}`,
	} {
		in := fixed()
		in.StatefulSets = found(old)
		got := rendered(t, instance(t, spec), in).StatefulSets[0]
		if !reflect.DeepEqual(got.Spec.Template, old.Spec.Template) {
			t.Errorf("a change of %s restarts every server", name)
		}
	}
}

func TestAWishOfTheUserChangesTheTemplate(t *testing.T) {
	wishes := map[string]string{
		"version":         `{topology: Replication, version: "8.1"}`,
		"image":           `{topology: Replication, image: example.com/valkey}`,
		"pull policy":     `{topology: Replication, imagePullPolicy: Always}`,
		"pull secrets":    `{topology: Replication, imagePullSecrets: [{name: a}]}`,
		"resources":       `{topology: Replication, resources: {requests: {cpu: 1}}}`,
		"memory limit":    `{topology: Replication, resources: {limits: {memory: 1Gi}}}`,
		"persistence":     `{topology: Replication, persistence: {mode: AOF}}`,
		"config":          `{topology: Replication, config: {hz: "20"}}`,
		"restart token":   `{topology: Replication, restartToken: now}`,
		"node selector":   `{topology: Replication, scheduling: {nodeSelector: {a: b}}}`,
		"pod labels":      `{topology: Replication, podTemplate: {labels: {a: b}}}`,
		"pod annotations": `{topology: Replication, podTemplate: {annotations: {a: b}}}`,
		"no auth":         `{topology: Replication, auth: {enabled: false}}`,
		"grace period":    `{topology: Replication, terminationGracePeriodSeconds: 31}`,
	}
	seen := map[string]string{}
	for name, spec := range wishes {
		in := fixed()
		in.StatefulSets = found(rendered(t, instance(t, `{topology: Replication}`), fixed()).StatefulSets[0])
		got := rendered(t, instance(t, spec), in).StatefulSets[0]
		if reflect.DeepEqual(got.Spec.Template, in.StatefulSets["cart"].Spec.Template) {
			t.Errorf("a change of %s reaches no pod", name)
		}
		if other, taken := seen[got.Annotations[InputsHashAnnotation]]; taken {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[got.Annotations[InputsHashAnnotation]] = name
	}
}

func TestRestartedAtOnTheResourceRestartsTheServers(t *testing.T) {
	v := instance(t, `{topology: Replication}`)
	in := fixed()
	in.StatefulSets = found(rendered(t, v, fixed()).StatefulSets[0])
	v.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "2026-11-23T20:00:00Z"}
	got := rendered(t, v, in).StatefulSets[0].Spec.Template
	if got.Annotations[v1alpha1.RestartedAtAnnotation] != "2026-11-23T20:00:00Z" {
		t.Errorf("annotations of the pods: %v", got.Annotations)
	}
}

func TestKeepTemplateChangesNeitherArgument(t *testing.T) {
	v := instance(t, `{topology: Replication, storage: {size: 1Gi}}`)
	existing, desired := byOlderOperator(t, v), rendered(t, v, fixed()).StatefulSets[0]
	wasExisting, wasDesired := existing.DeepCopy(), desired.DeepCopy()
	KeepTemplate(existing, desired).Spec.Template.Spec.Containers[0].Image = "changed"
	if !reflect.DeepEqual(existing, wasExisting) || !reflect.DeepEqual(desired, wasDesired) {
		t.Error("an argument changed: it may lie in a cache")
	}
}

// The hash of a resource that sets nothing but its topology must stay for ever:
// it is what every running instance has recorded.
func TestTheHashOfTheSameWishesStaysOverVersions(t *testing.T) {
	for spec, want := range map[string]string{
		`{topology: Replication}`: "44136fa355b3678a",
		`{topology: Replication, version: "9.1", storage: {size: 1Gi, class: fast}, persistence: {mode: RDB, save: [{seconds: 1, changes: 1}]}, config: {hz: "20"}, restartToken: a, resources: {limits: {memory: 1Gi}}, auth: {secretName: mine}, scheduling: {nodeSelector: {a: b}}, podTemplate: {labels: {a: b}}}`: "e7b8f0837419cd0f",
	} {
		got, err := TemplateHash(instance(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s\nhash %s, want %s: an operator upgrade would restart every such instance", spec, got, want)
		}
	}
}
