package bed

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// ErrNoKubectl says that there is no kubectl to drain hosts with.
var ErrNoKubectl = errors.New("no kubectl: neither on the PATH nor in the test bed")

// Hosts are the names of those that pods can run on.
func (c *Cluster) Hosts(ctx context.Context) ([]string, error) {
	nodes, err := c.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range nodes.Items {
		closed := slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule })
		if !n.Spec.Unschedulable && !closed {
			out = append(out, n.Name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Drain is kubectl drain, of the pods of servers and Sentinels alone: the ledgers stay
// where they are. It says how long that took.
func (c *Cluster) Drain(ctx context.Context, host string, limit time.Duration) (time.Duration, error) {
	kubectl, err := c.kubectl(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	out, err := exec.CommandContext(ctx, kubectl, "drain", host, "--pod-selector", "app.kubernetes.io/name=valkey",
		"--delete-emptydir-data", "--ignore-daemonsets", "--timeout", limit.String()).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("kubectl drain %s: %w: %s", host, err, strings.TrimSpace(string(out)))
	}
	return time.Since(began), nil
}

// Uncordon lets pods run on a host again.
func (c *Cluster) Uncordon(ctx context.Context, host string) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: host}}
	return c.Patch(ctx, node, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"unschedulable":null}}`)))
}

// Evacuate asks for the primary's role to leave a pod.
func (i *Instance) Evacuate(ctx context.Context, pod string) error {
	return i.annotate(ctx, pod, v1alpha1.EvacuateAnnotation, `"a test asks for it"`)
}

// Stay takes that wish back.
func (i *Instance) Stay(ctx context.Context, pod string) error {
	return i.annotate(ctx, pod, v1alpha1.EvacuateAnnotation, "null")
}

// annotate takes the annotation's value as JSON.
func (i *Instance) annotate(ctx context.Context, pod, name, value string) error {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: i.Namespace, Name: pod}}
	return i.Cluster.Patch(ctx, p, client.RawPatch("application/merge-patch+json",
		fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%s}}}`, name, value)))
}

// kubectl is the program's path.
func (c *Cluster) kubectl(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("kubectl"); err == nil {
		return path, nil
	}
	if c.Settings.Testbed == "" {
		return "", ErrNoKubectl
	}
	out, err := exec.CommandContext(ctx, c.Settings.Testbed, "run", "--", "sh", "-c", "command -v kubectl").Output()
	if path := strings.TrimSpace(string(out)); err == nil && path != "" {
		return path, nil
	}
	return "", errors.Join(ErrNoKubectl, err)
}

// SayShutdown makes a host say what its kubelet would say while it shuts down. The kubelet
// itself takes it back within ten seconds.
func (c *Cluster) SayShutdown(ctx context.Context, host string) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: host}}
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady",`+
		`"message":"node is shutting down","lastTransitionTime":%q}]}}`, time.Now().UTC().Format(time.RFC3339))
	return c.Status().Patch(ctx, node, client.RawPatch(types.StrategicMergePatchType, []byte(patch)))
}
