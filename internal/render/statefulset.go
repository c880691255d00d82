package render

import (
	"cmp"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// InputsHashAnnotation of a StatefulSet is the TemplateHash that its pod
// template was made from.
const InputsHashAnnotation = "valkeeper.io/inputs-hash"

// revisionHistoryLimit is how many old templates Kubernetes keeps to look at.
const revisionHistoryLimit = 5

// statefulSet is that of a shard, with a pod template made from the spec alone.
// How many shards there are leaves no trace in it: a shard more or less restarts
// nobody.
func statefulSet(v *v1alpha1.Valkey, s shard, in Inputs, configMap string) (*appsv1.StatefulSet, error) {
	hash, err := TemplateHash(v)
	if err != nil {
		return nil, err
	}
	template, err := podTemplate(v, s, in.Site, configMap)
	if err != nil {
		return nil, err
	}
	out := &appsv1.StatefulSet{
		ObjectMeta: s.meta(v, s.name),
		Spec: appsv1.StatefulSetSpec{
			Replicas:             ptr.To(firstSize(v, in.Extras[s.name])),
			Selector:             &metav1.LabelSelector{MatchLabels: s.selector(v)},
			ServiceName:          v.NodesServiceName(),
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			UpdateStrategy:       updateStrategy(&v.Spec.Rollout),
			RevisionHistoryLimit: ptr.To[int32](revisionHistoryLimit),
			Template:             template,
			VolumeClaimTemplates: volumeClaims(v, s),
			// A deleted instance's data stay until somebody deletes the claims. A
			// removed replica's go: they would be loaded, long out of date, when a
			// pod of that name comes back.
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.DeletePersistentVolumeClaimRetentionPolicyType,
			},
		},
	}
	out.Annotations = map[string]string{InputsHashAnnotation: hash}
	return out, nil
}

// firstSize is how many pods a StatefulSet is made with; from then on plan/scale.go decides.
// The copy of an extra node that is left may be the newest: it is started with the others,
// compared with them, and scaled in when there is a primary elsewhere.
func firstSize(v *v1alpha1.Valkey, extra bool) int32 {
	if extra {
		return v.Spec.NodeCount() + 1
	}
	return v.Spec.NodeCount()
}

// updateStrategy leaves the restarts to the operator, unless the user opted out.
func updateStrategy(r *v1alpha1.Rollout) appsv1.StatefulSetUpdateStrategy {
	if r.StrategyOrDefault() == v1alpha1.StrategyRollingUpdate {
		return appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType}
	}
	return appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
}

func volumeClaims(v *v1alpha1.Valkey, s shard) []corev1.PersistentVolumeClaim {
	storage := v.Spec.Storage
	if storage == nil {
		return nil
	}
	return []corev1.PersistentVolumeClaim{{
		ObjectMeta: metav1.ObjectMeta{Name: dataVolume, Labels: s.meta(v, s.name).Labels},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: storage.Class,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: storage.Size},
			},
		},
	}}
}

// image of the servers.
func image(s *v1alpha1.ValkeySpec, repository string) (string, error) {
	if s.Image != "" {
		return s.Image, nil
	}
	if repository == "" {
		return "", fmt.Errorf("no image repository for version %s: start the operator with --image-repository, or set spec.image", cmp.Or(s.Version, v1alpha1.DefaultVersion))
	}
	return repository + ":" + cmp.Or(s.Version, v1alpha1.DefaultVersion), nil
}
