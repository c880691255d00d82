package bed

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Containers does something to the processes of a pod's containers as they were when
// it was read: kill, freeze or thaw. Unlike Process it does not ask the API server, and
// of a pod that is no more, or was started again since, nothing is left to thaw.
func (c *Cluster) Containers(ctx context.Context, verb string, pod *corev1.Pod) error {
	args := []string{"process", verb, "--node", pod.Spec.NodeName}
	for _, s := range pod.Status.ContainerStatuses {
		args = append(args, s.ContainerID)
	}
	return c.testbed(ctx, args...)
}

// APIServer makes the test bed's API server hang, or go on: freeze or thaw.
func (c *Cluster) APIServer(ctx context.Context, verb string) error {
	return c.testbed(ctx, "component", verb, "kube-apiserver")
}

// HostNames are the names of all hosts, in order, those too that are cordoned.
func (c *Cluster) HostNames(ctx context.Context) ([]string, error) {
	var list corev1.NodeList
	if err := c.List(ctx, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, n := range list.Items {
		names = append(names, n.Name)
	}
	return names, nil
}

// Cordon says of a host whether new pods may come to it.
func (c *Cluster) Cordon(ctx context.Context, host string, cordoned bool) error {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: host}}
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, cordoned)
	return c.Patch(ctx, n, client.RawPatch("application/merge-patch+json", patch))
}

// evictAgain is how often an eviction that was refused is tried again; kubectl takes
// five seconds.
const evictAgain = 2 * time.Second

// DrainFrom cordons a host and evicts the instance's pods from it, as `kubectl drain`
// does, until none is left there or ctx ends. It says who is left.
func (i *Instance) DrainFrom(ctx context.Context, host string) ([]string, error) {
	if err := i.Cluster.Cordon(ctx, host, true); err != nil {
		return nil, err
	}
	// Who is there now has to go; nobody new may come.
	going, err := i.on(ctx, host)
	if err != nil {
		return nil, err
	}
	for {
		var left []string
		for _, p := range going {
			if there, err := i.evict(ctx, p); err != nil || there {
				left = append(left, p.Name)
			}
		}
		if len(left) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return left, nil
		case <-time.After(evictAgain):
		}
	}
}

// on are the instance's pods on a host, Sentinels and all.
func (i *Instance) on(ctx context.Context, host string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := i.Cluster.List(ctx, &list, client.InNamespace(i.Namespace), client.MatchingLabels{"app.kubernetes.io/instance": i.Name})
	var there []corev1.Pod
	for _, p := range list.Items {
		if p.Spec.NodeName == host {
			there = append(there, p)
		}
	}
	return there, err
}

// evict asks for a pod's eviction, and says whether this very pod is still there. A
// budget's refusal is no error.
func (i *Instance) evict(ctx context.Context, pod corev1.Pod) (bool, error) {
	now := &corev1.Pod{}
	err := i.Cluster.Get(ctx, client.ObjectKeyFromObject(&pod), now)
	if apierrors.IsNotFound(err) || (err == nil && now.UID != pod.UID) {
		return false, nil
	}
	if err != nil || now.DeletionTimestamp != nil {
		return true, err
	}
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}}}
	err = i.Cluster.Kube.PolicyV1().Evictions(pod.Namespace).Evict(ctx, eviction)
	if apierrors.IsTooManyRequests(err) || apierrors.IsNotFound(err) {
		err = nil
	}
	return true, err
}

// Mend undoes all that can be done to hosts and to the API server, in case somebody
// who did it was cut short.
func (c *Cluster) Mend(ctx context.Context) error {
	if err := c.APIServer(ctx, "thaw"); err != nil {
		return err
	}
	hosts, err := c.HostNames(ctx)
	for _, host := range hosts {
		for _, verb := range []string{"thaw", "heal", "quick"} {
			err = errors.Join(err, c.Node(ctx, verb, host))
		}
		err = errors.Join(err, c.Cordon(ctx, host, false))
	}
	return err
}
