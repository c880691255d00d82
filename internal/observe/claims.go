package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// Claims are the volume claims of an instance that has storage.
func Claims(ctx context.Context, from client.Reader, v *v1alpha1.Valkey) ([]corev1.PersistentVolumeClaim, error) {
	if v.Spec.Storage == nil {
		return nil, nil
	}
	list := &corev1.PersistentVolumeClaimList{}
	err := from.List(ctx, list, client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector()))
	if err != nil {
		return nil, fmt.Errorf("list the volume claims of %s: %w", instance(v), err)
	}
	return list.Items, nil
}

// seeBlanks finds the nodes that cannot have data on their volumes.
func seeBlanks(nodes []model.Node, pods []corev1.Pod, claims []corev1.PersistentVolumeClaim) {
	for i := range nodes {
		var pod *corev1.Pod
		if k := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Name == nodes[i].Name }); k >= 0 {
			pod = &pods[k]
		}
		nodes[i].Blank = blank(nodes[i].Name, pod, claims)
	}
}

// leftovers are the claims of pods of a StatefulSet beyond its size, but for those in
// which nothing can be. The StatefulSet's controller makes a claim before its pod: if that
// pod is then refused (a quota, an admission webhook) and not wished for any more, the
// claim stays, since it is deleted only with a pod. Nobody has to delete it while it is
// unbound: the next pod of its name is the first to write to it.
func leftovers(set string, size int, claims []corev1.PersistentVolumeClaim) []model.Leftover {
	var out []model.Leftover
	for i := range claims {
		pod, ours := strings.CutPrefix(claims[i].Name, v1alpha1.DataVolume+"-")
		if k, ok := ordinal(set, pod); ours && ok && k >= size && (used(&claims[i]) || going(&claims[i])) {
			out = append(out, model.Leftover{Claim: claims[i].Name, Ordinal: k, Going: going(&claims[i])})
		}
	}
	slices.SortFunc(out, func(a, b model.Leftover) int { return a.Ordinal - b.Ordinal })
	return out
}

// madeTogether is how long before its pod a StatefulSet's controller makes a claim, at
// most: timestamps are whole seconds, and no server runs, serves and is replaced within two.
const madeTogether = 2 * time.Second

// blank says that nothing can be on the volume of a pod of that name; pod is nil when it is
// not there. Of a claim that is not found nothing is known: somebody may have made it by
// hand, without our labels. One that is older than its pod may have been used by an earlier.
func blank(name string, pod *corev1.Pod, claims []corev1.PersistentVolumeClaim) bool {
	i := slices.IndexFunc(claims, func(c corev1.PersistentVolumeClaim) bool { return c.Name == v1alpha1.DataVolume+"-"+name })
	if i < 0 || pod != nil && !neverStarted(pod) {
		return false
	}
	if !used(&claims[i]) {
		return true
	}
	return pod != nil && !given(&claims[i]) && claims[i].CreationTimestamp.Add(madeTogether).After(pod.CreationTimestamp.Time)
}

// neverStarted says that no container of a pod has ever run.
func neverStarted(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodPending && !slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil || c.RestartCount > 0
	})
}

// going says that a claim is being deleted, or will be with the pod that owns it: a
// StatefulSet that is scaled in gives it to the pod that leaves (kubernetes v1.37
// pkg/controller/statefulset/stateful_set_utils.go updateClaimOwnerRefForSetAndPod).
func going(claim *corev1.PersistentVolumeClaim) bool {
	return claim.DeletionTimestamp != nil ||
		slices.ContainsFunc(claim.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "Pod" })
}

// Kept says that something may be in a claim, and that it does not go by itself.
func Kept(claim *corev1.PersistentVolumeClaim) bool { return used(claim) && !going(claim) }

// used says that something may be in a claim.
func used(claim *corev1.PersistentVolumeClaim) bool { return bound(claim) || given(claim) }

// boundByController is what a claim bears whose volume Kubernetes has chosen, or made, for
// it (kubernetes v1.37 staging/src/k8s.io/component-helpers/storage/volume). Without it
// somebody has named the volume.
const boundByController = "pv.kubernetes.io/bound-by-controller"

// given says that a claim gets a volume with something in it: one that somebody has named,
// or that is filled from a snapshot or another claim, as a restored backup's is.
func given(claim *corev1.PersistentVolumeClaim) bool {
	_, chosen := claim.Annotations[boundByController]
	return claim.Spec.DataSource != nil || claim.Spec.DataSourceRef != nil || claim.Spec.VolumeName != "" && !chosen
}

// bindCompleted is what a claim bears once it has a volume (kubernetes v1.37
// pkg/controller/volume/persistentvolume bindClaimToVolume). No pod is scheduled before
// that (pkg/scheduler/framework/plugins/volumebinding isPVCFullyBound).
const bindCompleted = "pv.kubernetes.io/bind-completed"

// bound says that a claim has a volume. Whether a pod has ever written to that cannot be
// seen: with volumeBindingMode Immediate a claim gets one without a pod.
func bound(claim *corev1.PersistentVolumeClaim) bool {
	_, ok := claim.Annotations[bindCompleted]
	return ok
}
