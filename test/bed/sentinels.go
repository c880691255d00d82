package bed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Watched wishes for a primary and replicas that three Sentinels watch.
func Watched(replicas int32) Wish {
	return func(v *v1alpha1.Valkey) {
		v.Spec.Topology, v.Spec.Replicas = v1alpha1.TopologySentinel, ptr.To(replicas)
	}
}

// Sentinels wishes for so many of them.
func Sentinels(n int32) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Sentinel.Replicas = ptr.To(n) }
}

// RestartSentinels wishes every Sentinel to be restarted, once for each token.
func RestartSentinels(token string) Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Sentinel.RestartToken = token }
}

// SentinelPods are the Sentinels' pods, in order.
func (i *Instance) SentinelPods(ctx context.Context) ([]corev1.Pod, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return nil, err
	}
	var pods corev1.PodList
	err = i.Cluster.List(ctx, &pods, client.InNamespace(i.Namespace), client.MatchingLabels(v.SentinelSelector()))
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods.Items, err
}

// Sentinel sends one command to the Sentinel in a pod, as the operator would: clients
// may only ask.
func (i *Instance) Sentinel(ctx context.Context, pod string, command ...string) (string, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return "", err
	}
	var secret corev1.Secret
	if err := i.Cluster.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: v.SystemSecretName()}, &secret); err != nil {
		return "", err
	}
	cli := []string{"valkey-cli", "-p", strconv.Itoa(v1alpha1.SentinelPort), "--no-auth-warning", "--user", v1alpha1.OperatorUser,
		"-a", string(secret.Data[v1alpha1.OperatorPasswordKey])}
	out, err := i.Cluster.exec(ctx, i.Namespace, pod, append(cli, command...))
	out = strings.TrimSpace(out)
	if err == nil && isError(out) {
		err = fmt.Errorf("the Sentinel answers %q", out)
	}
	if err != nil {
		return out, fmt.Errorf("%s on %s: %w", command[0], pod, err)
	}
	return out, nil
}

// Watching is what one Sentinel says of the primary.
type Watching struct {
	// Primary is the host that it names.
	Primary string
	// Replicas and Others are how many of both it knows, those included that are down.
	Replicas, Others int
	Quorum           int
	// Usable is nil if it sees enough others for a failover.
	Usable error
}

// names says that it is a pod that the Sentinel names, with the domain or without.
func (w Watching) names(v *v1alpha1.Valkey, pod string) bool {
	host := v.NodeHostname(pod)
	return w.Primary == host || strings.HasPrefix(w.Primary, host+".")
}

// Watching asks a Sentinel.
func (i *Instance) Watching(ctx context.Context, pod string) (Watching, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return Watching{}, err
	}
	name := v.Spec.Sentinel.PrimaryNameOrDefault()
	out, err := i.Sentinel(ctx, pod, "SENTINEL", "MASTER", name)
	if err != nil {
		return Watching{}, err
	}
	lines := strings.Split(out, "\n")
	w := Watching{}
	for k := 0; k+1 < len(lines); k += 2 {
		value := strings.TrimSpace(lines[k+1])
		switch strings.TrimSpace(lines[k]) {
		case "ip":
			w.Primary = value
		case "num-slaves":
			w.Replicas, err = strconv.Atoi(value)
		case "quorum":
			w.Quorum, err = strconv.Atoi(value)
		case "num-other-sentinels":
			w.Others, err = strconv.Atoi(value)
		}
		if err != nil {
			return w, fmt.Errorf("SENTINEL MASTER on %s: %w", pod, err)
		}
	}
	_, w.Usable = i.Sentinel(ctx, pod, "SENTINEL", "CKQUORUM", name)
	return w, nil
}

// AwaitExact waits until every Sentinel names the primary and knows exactly the
// replicas and Sentinels that there are.
func (i *Instance) AwaitExact(ctx context.Context, limit time.Duration) error {
	return Await(ctx, limit, func(ctx context.Context) (bool, string, error) {
		v, err := i.Get(ctx)
		if err != nil {
			return false, "", err
		}
		pods, err := i.SentinelPods(ctx)
		if err != nil {
			return false, "", err
		}
		if len(pods) != int(v.Spec.SentinelCount()) {
			return false, fmt.Sprintf("there are %d Sentinels", len(pods)), nil
		}
		for _, p := range pods {
			w, err := i.Watching(ctx, p.Name)
			exact := err == nil && w.names(v, v.Status.Primary) && w.Usable == nil &&
				w.Replicas == int(v.Spec.ReplicaCount()) && w.Others == len(pods)-1 && w.Quorum == int(v.Spec.Sentinel.QuorumOrDefault())
			if !exact {
				return false, fmt.Sprintf("%s: %+v, %v; the primary is %q", p.Name, w, err, v.Status.Primary), nil
			}
		}
		return true, "", nil
	})
}

// StopOperator takes the operator away, StartOperator brings it back.
func (c *Cluster) StopOperator(ctx context.Context) error {
	if err := c.scaleOperator(ctx, 0); err != nil {
		return err
	}
	return Await(ctx, 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		pods, err := c.OperatorPods(ctx)
		return len(pods) == 0, fmt.Sprintf("%d pods of the operator are left", len(pods)), err
	})
}

// StartOperator brings the operator back, with so many pods.
func (c *Cluster) StartOperator(ctx context.Context, pods int32) error {
	if err := c.scaleOperator(ctx, pods); err != nil {
		return err
	}
	return c.AwaitOperator(ctx)
}

func (c *Cluster) scaleOperator(ctx context.Context, pods int32) error {
	d, err := c.operator(ctx)
	if err != nil {
		return err
	}
	patch := client.MergeFrom(d.DeepCopy())
	d.Spec.Replicas = ptr.To(pods)
	return c.Patch(ctx, d, patch)
}

// PlainFailover does what others do: a plain SENTINEL FAILOVER, and when the Sentinels
// name the new primary the old one's pod is deleted. The operator is away meanwhile.
func (i *Instance) PlainFailover(ctx context.Context) error {
	before, err := i.Primary(ctx)
	if err != nil {
		return err
	}
	pods, err := i.Cluster.OperatorPods(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(i.Cluster.StopOperator(ctx), i.plainFailover(ctx, before))
	// Others want it back, whatever has become of this.
	return errors.Join(err, i.Cluster.StartOperator(context.WithoutCancel(ctx), int32(len(pods)))) //nolint:gosec // a few
}

func (i *Instance) plainFailover(ctx context.Context, before string) error {
	v, err := i.Get(ctx)
	if err != nil {
		return err
	}
	sentinel := v.SentinelName() + "-0"
	// It may be ten seconds until it has seen that it may promote somebody.
	err = Await(ctx, time.Minute, func(ctx context.Context) (bool, string, error) {
		out, err := i.Sentinel(ctx, sentinel, "SENTINEL", "FAILOVER", v.Spec.Sentinel.PrimaryNameOrDefault())
		return err == nil, fmt.Sprintf("it answers %s: %v", out, err), nil
	})
	if err != nil {
		return err
	}
	err = Await(ctx, time.Minute, func(ctx context.Context) (bool, string, error) {
		w, err := i.Watching(ctx, sentinel)
		return !w.names(v, before), fmt.Sprintf("%+v", w), err
	})
	if err != nil {
		return err
	}
	old := &corev1.Pod{}
	old.Namespace, old.Name = i.Namespace, before
	return i.Cluster.Delete(ctx, old)
}
