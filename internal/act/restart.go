package act

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/internal/model"
)

// refusedAgain is when an eviction that a budget refused is tried again.
const refusedAgain = time.Second

// drain marks the pod, and at later looks sends away whom it still serves. The
// mark takes it out of the Services (plan/publish.go), so nobody comes back. Nobody
// is sent away in a cluster: a client that does not know better would come back,
// and a replica tells it where to go.
func (a *Actor) drain(ctx context.Context, s model.Drain) error {
	if s.Start {
		err := a.patchPod(ctx, s.Node, map[string]any{"metadata": map[string]any{
			"uid":         s.Node.UID,
			"annotations": map[string]any{v1alpha1.DrainingSinceAnnotation: time.Now().UTC().Format(time.RFC3339Nano)},
		}}, false)
		if err == nil {
			failpoint.Reach(failpoint.DrainStarted)
		}
		return err
	}
	if a.Valkey.Spec.IsCluster() {
		return nil
	}
	node, err := a.server(ctx, s.Node)
	if err != nil {
		return err
	}
	_, err = node.KillClients(ctx, v1alpha1.OwnUsers()...)
	return err
}

// restart evicts the pod. The StatefulSet controller makes the new one.
func (a *Actor) restart(ctx context.Context, shard string, s model.Restart) (Outcome, error) {
	failpoint.Reach(failpoint.RestartBefore)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: a.Valkey.Namespace, Name: s.Node.Name}}
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(types.UID(s.Node.UID))}},
	}
	err := a.Client.SubResource("eviction").Create(ctx, pod, eviction)
	switch {
	case apierrors.IsTooManyRequests(err):
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.BudgetExhausted, Node: s.Node.Name,
			Detail: "a PodDisruptionBudget refuses its eviction: " + message(err), After: refusedAgain}}}, nil
	case apierrors.IsInternalError(err), apierrors.IsForbidden(err):
		return Outcome{Holds: []model.Hold{{Shard: shard, Reason: model.EvictionRefused, Node: s.Node.Name,
			Detail: "the API server refuses its eviction: " + message(err), After: refusedAgain}}}, nil
	case gone(err):
		return Outcome{}, fmt.Errorf("%w: pod %s: %w", ErrChanged, pod.Name, err)
	case err != nil:
		return Outcome{}, fmt.Errorf("evict pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	failpoint.Reach(failpoint.RestartEvicted)
	return Outcome{}, nil
}

// message is what the API server said, with the cause that names the budget.
func message(err error) string {
	text := err.Error()
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return text
	}
	for _, c := range status.Status().Details.Causes {
		text += " " + c.Message
	}
	return text
}

// scale changes the number of pods of the shard's StatefulSet, which has its name,
// and only from the size that was seen.
func (a *Actor) scale(ctx context.Context, shard string, s model.Scale) error {
	sts := &appsv1.StatefulSet{}
	key := client.ObjectKey{Namespace: a.Valkey.Namespace, Name: shard}
	if err := a.Client.Get(ctx, key, sts); err != nil {
		return fmt.Errorf("read StatefulSet %s: %w", key, err)
	}
	if !metav1.IsControlledBy(sts, a.Valkey) || sts.Spec.Replicas == nil || int(*sts.Spec.Replicas) != s.From {
		return fmt.Errorf("%w: StatefulSet %s no longer is ours with %d replicas", ErrChanged, key, s.From)
	}
	patch := client.MergeFromWithOptions(sts.DeepCopy(), client.MergeFromWithOptimisticLock{})
	sts.Spec.Replicas = ptr.To(int32(s.To)) //nolint:gosec // bounded by the schema of spec.replicas
	err := a.Client.Patch(ctx, sts, patch)
	switch {
	case gone(err):
		return fmt.Errorf("%w: StatefulSet %s: %w", ErrChanged, key, err)
	case err != nil:
		return fmt.Errorf("scale StatefulSet %s to %d: %w", key, s.To, err)
	}
	return nil
}
