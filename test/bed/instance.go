package bed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Instance is one Valkey resource.
type Instance struct {
	Cluster         *Cluster
	Namespace, Name string
}

// Wish changes the resource, before it is made or later.
type Wish func(*v1alpha1.Valkey)

// Make makes an instance: a primary and two replicas with a volume each, unless
// the wishes say otherwise.
func (c *Cluster) Make(ctx context.Context, namespace, name string, wishes ...Wish) (*Instance, error) {
	v := &v1alpha1.Valkey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ValkeySpec{
			Topology: v1alpha1.TopologyReplication,
			Storage:  &v1alpha1.Storage{Size: resource.MustParse("1Gi")},
		},
	}
	for _, wish := range wishes {
		wish(v)
	}
	if err := c.Create(ctx, v); err != nil {
		return nil, fmt.Errorf("make the instance %s: %w", name, err)
	}
	return &Instance{Cluster: c, Namespace: namespace, Name: name}, nil
}

// Get reads the resource.
func (i *Instance) Get(ctx context.Context) (*v1alpha1.Valkey, error) {
	v := &v1alpha1.Valkey{}
	return v, i.Cluster.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: i.Name}, v)
}

// Change changes the resource, again if somebody else did in between.
func (i *Instance) Change(ctx context.Context, wishes ...Wish) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		v, err := i.Get(ctx)
		if err != nil {
			return err
		}
		for _, wish := range wishes {
			wish(v)
		}
		return i.Cluster.Update(ctx, v)
	})
}

// AwaitReady waits until the instance says that all of it is in service.
func (i *Instance) AwaitReady(ctx context.Context, limit time.Duration) error {
	return i.awaitConditions(ctx, limit, v1alpha1.ConditionReady)
}

// AwaitRolledOut waits until the newest change has reached every server, and all
// are in service.
func (i *Instance) AwaitRolledOut(ctx context.Context, limit time.Duration) error {
	return i.awaitConditions(ctx, limit, v1alpha1.ConditionRolledOut, v1alpha1.ConditionReady)
}

func (i *Instance) awaitConditions(ctx context.Context, limit time.Duration, wanted ...string) error {
	err := Await(ctx, limit, func(ctx context.Context) (bool, string, error) {
		v, err := i.Get(ctx)
		if err != nil {
			return false, "", err
		}
		return holds(v, wanted...), Summary(v), nil
	})
	if err != nil {
		return fmt.Errorf("%s is not %s: %w", i.Name, strings.Join(wanted, " and "), err)
	}
	return nil
}

// holds says that conditions are true of the newest wish.
func holds(v *v1alpha1.Valkey, wanted ...string) bool {
	for _, kind := range wanted {
		c := meta.FindStatusCondition(v.Status.Conditions, kind)
		if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != v.Generation {
			return false
		}
	}
	return true
}

// AwaitHold waits until the rollout waits for one of these reasons and says this
// in words, and returns the words.
func (i *Instance) AwaitHold(ctx context.Context, limit time.Duration, says string, reasons ...string) (string, error) {
	var words string
	err := Await(ctx, limit, func(ctx context.Context) (bool, string, error) {
		v, err := i.Get(ctx)
		if err != nil {
			return false, "", err
		}
		c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionRolledOut)
		if c == nil || c.ObservedGeneration != v.Generation || !slices.Contains(reasons, c.Reason) || !strings.Contains(c.Message, says) {
			return false, Summary(v), nil
		}
		words = c.Message
		return true, "", nil
	})
	if err != nil {
		return "", fmt.Errorf("%s does not hold with reason %s, saying %q: %w", i.Name, strings.Join(reasons, " or "), says, err)
	}
	return words, nil
}

// AwaitGone deletes the instance and waits until nothing of it is left.
func (i *Instance) AwaitGone(ctx context.Context, limit time.Duration) error {
	v, err := i.Get(ctx)
	if err != nil {
		return err
	}
	if err := i.Cluster.Delete(ctx, v); err != nil {
		return err
	}
	return Await(ctx, limit, func(ctx context.Context) (bool, string, error) {
		if _, err := i.Get(ctx); !apierrors.IsNotFound(err) {
			return false, "the resource is still there", err
		}
		left, err := i.leftovers(ctx)
		return err == nil && len(left) == 0, "still there: " + strings.Join(left, ", "), err
	})
}

// leftovers are the objects that bear the instance's labels.
func (i *Instance) leftovers(ctx context.Context) ([]string, error) {
	var left []string
	for _, list := range ownedLists() {
		if err := i.Cluster.List(ctx, list, client.InNamespace(i.Namespace), client.MatchingLabels{
			"app.kubernetes.io/instance": i.Name,
		}); err != nil {
			return nil, err
		}
		_ = meta.EachListItem(list, func(o runtimeObject) error {
			left = append(left, fmt.Sprintf("%T %s", o, o.(client.Object).GetName()))
			return nil
		})
	}
	return left, nil
}

// Pods are the instance's pods, in order of their names.
func (i *Instance) Pods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := i.Cluster.List(ctx, &list, client.InNamespace(i.Namespace), client.MatchingLabels{
		"app.kubernetes.io/instance": i.Name, "app.kubernetes.io/component": "data",
	})
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, err
}

// Identities are the pods' UIDs by their names: what changes when a pod is
// replaced.
func (i *Instance) Identities(ctx context.Context) (map[string]string, error) {
	pods, err := i.Pods(ctx)
	out := map[string]string{}
	for _, p := range pods {
		out[p.Name] = string(p.UID)
	}
	return out, err
}

// Summary is what `kubectl get` would tell, and why.
func Summary(v *v1alpha1.Valkey) string {
	out := fmt.Sprintf("ready %q, primary %q, rollout %q", v.Status.Ready, v.Status.Primary, v.Status.Rollout)
	if v.Spec.IsCluster() {
		out = fmt.Sprintf("ready %q, shards %q, slots %q, rollout %q", v.Status.Ready, v.Status.ShardsReady, v.Status.Slots, v.Status.Rollout)
	}
	for _, c := range v.Status.Conditions {
		out += fmt.Sprintf("; %s=%s %s (generation %d of %d): %s",
			c.Type, c.Status, c.Reason, c.ObservedGeneration, v.Generation, c.Message)
	}
	return out
}
