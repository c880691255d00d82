package bed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Where the operator is installed.
const (
	OperatorNamespace = "valkeeper-system"
	operatorName      = "valkeeper"
)

// InstallOperator installs the operator by its chart, or brings one that we
// installed before up to date, and waits until it serves.
func (c *Cluster) InstallOperator(ctx context.Context) error {
	if err := c.applyCRDs(ctx); err != nil {
		return err
	}
	if err := c.dropArmed(ctx); err != nil {
		return err
	}
	repository, tag, _ := cutTag(c.Settings.Operator)
	args := []string{
		"upgrade", "--install", operatorName, filepath.Join(c.Settings.Repository, "charts", "valkeeper"),
		"--namespace", OperatorNamespace, "--create-namespace", "--skip-crds",
		"--set", "image.repository=" + repository, "--set-string", "image.tag=" + tag,
	}
	if from := c.Settings.ValkeyRepository; from != "" {
		args = append(args, "--set", "valkeyImageRepository="+from)
	}
	out, err := exec.CommandContext(ctx, c.Settings.Helm, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("install the operator with %s: %w: %s", c.Settings.Helm, err, strings.TrimSpace(string(out)))
	}
	return c.AwaitOperator(ctx)
}

// applyCRDs makes the CRDs as this checkout has them: Helm installs them once
// and never changes them again.
func (c *Cluster) applyCRDs(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(c.Settings.Repository, "charts", "valkeeper", "crds", "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		crd := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(raw, &crd.Object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		unstructured.RemoveNestedField(crd.Object, "metadata", "creationTimestamp")
		err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(crd), client.ForceOwnership, client.FieldOwner("valkeeper-tests"))
		if err != nil {
			return fmt.Errorf("apply %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func cutTag(image string) (repository, tag string, found bool) {
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		return image[:at], image[at+1:], true
	}
	return image, "", false
}

// AwaitOperator waits until the operator serves, in its newest form.
func (c *Cluster) AwaitOperator(ctx context.Context) error {
	return Await(ctx, 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		d, err := c.operator(ctx)
		if err != nil {
			return false, "", err
		}
		s := d.Status
		done := s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == *d.Spec.Replicas &&
			s.Replicas == *d.Spec.Replicas && s.ReadyReplicas == *d.Spec.Replicas
		return done, fmt.Sprintf("the operator is not up: %+v", s), nil
	})
}

func (c *Cluster) operator(ctx context.Context) (*appsv1.Deployment, error) {
	d := &appsv1.Deployment{}
	return d, c.Get(ctx, client.ObjectKey{Namespace: OperatorNamespace, Name: operatorName}, d)
}

// OperatorPods are the operator's pods.
func (c *Cluster) OperatorPods(ctx context.Context) ([]corev1.Pod, error) {
	d, err := c.operator(ctx)
	if err != nil {
		return nil, err
	}
	var pods corev1.PodList
	err = c.List(ctx, &pods, client.InNamespace(OperatorNamespace), client.MatchingLabels(d.Spec.Selector.MatchLabels))
	return pods.Items, err
}

// OperatorHost is the host of the operator that is at work; others stand by.
func (c *Cluster) OperatorHost(ctx context.Context) (string, error) {
	lease, err := c.Kube.CoordinationV1().Leases(OperatorNamespace).Get(ctx, "valkeeper.valkeeper.io", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	pods, err := c.OperatorPods(ctx)
	if err != nil {
		return "", err
	}
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	for _, p := range pods {
		if strings.HasPrefix(holder, p.Name+"_") {
			return p.Spec.NodeName, nil
		}
	}
	return "", fmt.Errorf("no operator is at work; the lease is held by %q", holder)
}

// KillOperator ends the operator without a word of warning.
func (c *Cluster) KillOperator(ctx context.Context) error {
	pods, err := c.OperatorPods(ctx)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if err := client.IgnoreNotFound(c.Delete(ctx, &p, client.GracePeriodSeconds(0))); err != nil {
			return err
		}
	}
	return nil
}

// OperatorLog is what the operator has written since a moment, in all of its
// pods that are still there.
func (c *Cluster) OperatorLog(ctx context.Context, since time.Time) (string, error) {
	pods, err := c.OperatorPods(ctx)
	if err != nil {
		return "", err
	}
	var all bytes.Buffer
	for _, p := range pods {
		for _, previous := range []bool{true, false} {
			raw, err := c.Kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{
				SinceTime: ptr.To(metav1.NewTime(since)), Previous: previous,
			}).DoRaw(ctx)
			if err != nil && !previous {
				return all.String(), err
			}
			all.Write(raw)
		}
	}
	return all.String(), nil
}
