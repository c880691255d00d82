package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// firedFolder remembers which points have killed the operator.
	firedFolder = "/failpoints"
	// failpointCode is the exit code of an operator that died at a point.
	failpointCode = 86

	failpointsVolume = "failpoints"
)

// Failpoints is an operator that dies once at each of some points.
type Failpoints struct {
	cluster *Cluster
	before  appsv1.DeploymentSpec
	// fired are the points at which it has died.
	fired []string
}

// ArmFailpoints puts the operator built with failpoints in place of the usual
// one. A volume remembers which points have fired, so that each kills once.
func (c *Cluster) ArmFailpoints(ctx context.Context, points []string) (*Failpoints, error) {
	if c.Settings.Failpoints == "" {
		return nil, errors.New("no image of the operator with failpoints: set VALKEEPER_FAILPOINTS_IMAGE")
	}
	name := fmt.Sprintf("failpoints-%d", os.Getpid())
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
		},
	}
	if err := c.Create(ctx, claim); err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	f := &Failpoints{cluster: c}
	err := c.changeOperator(ctx, func(d *appsv1.Deployment) {
		f.before = *d.Spec.DeepCopy()
		armed(d, c.Settings.Failpoints, name, points)
	})
	if err != nil {
		return nil, err
	}
	return f, c.AwaitOperator(ctx)
}

func armed(d *appsv1.Deployment, image, claim string, points []string) {
	d.Spec.Replicas = ptr.To[int32](1)
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	pod := &d.Spec.Template.Spec
	if pod.SecurityContext == nil {
		pod.SecurityContext = &corev1.PodSecurityContext{}
	}
	pod.SecurityContext.FSGroup = ptr.To[int64](65532)
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: failpointsVolume, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}})
	container := &pod.Containers[0]
	container.Image = image
	container.Env = append(container.Env,
		corev1.EnvVar{Name: "VALKEEPER_FAILPOINTS", Value: strings.Join(points, ",")},
		corev1.EnvVar{Name: "VALKEEPER_FAILPOINTS_FIRED", Value: firedFolder})
	container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: failpointsVolume, MountPath: firedFolder})
	// The operator before is dead for certain: nobody has to wait for its lease.
	container.Args = append(slices.DeleteFunc(container.Args, func(arg string) bool {
		return strings.HasPrefix(strings.TrimLeft(arg, "-"), "leader-elect=") || strings.TrimLeft(arg, "-") == "leader-elect"
	}), "--leader-elect=false")
}

// dropArmed removes an operator that a test which was cut short left behind with
// failpoints in it.
func (c *Cluster) dropArmed(ctx context.Context) error {
	d, err := c.operator(ctx)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.Name == failpointsVolume {
			return c.Delete(ctx, d)
		}
	}
	return nil
}

// Disarm puts the usual operator back.
func (f *Failpoints) Disarm(ctx context.Context) error {
	if err := f.cluster.changeOperator(ctx, func(d *appsv1.Deployment) { d.Spec = f.before }); err != nil {
		return err
	}
	return f.cluster.AwaitOperator(ctx)
}

// Fired are the points at which the operator has died so far.
func (f *Failpoints) Fired() []string { return f.fired }

// Replace gives an operator that has died a successor at once, until ctx ends:
// Kubernetes would make each wait twice as long as the one before.
func (f *Failpoints) Replace(ctx context.Context) error {
	for {
		pods, err := f.cluster.OperatorPods(ctx)
		if err == nil {
			err = f.replaceDead(ctx, pods)
		}
		if err != nil && ctx.Err() == nil {
			f.cluster.Say("looking for a dead operator: %v", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(often):
		}
	}
}

func (f *Failpoints) replaceDead(ctx context.Context, pods []corev1.Pod) error {
	for _, p := range pods {
		if p.DeletionTimestamp != nil || !diedAtPoint(p) {
			continue
		}
		f.fired = append(f.fired, f.lastWords(ctx, p))
		if err := client.IgnoreNotFound(f.cluster.Delete(ctx, &p, client.GracePeriodSeconds(0))); err != nil {
			return err
		}
	}
	return nil
}

func diedAtPoint(p corev1.Pod) bool {
	for _, s := range p.Status.ContainerStatuses {
		for _, state := range []corev1.ContainerState{s.State, s.LastTerminationState} {
			if state.Terminated != nil && state.Terminated.ExitCode == failpointCode {
				return true
			}
		}
	}
	return false
}

// lastWords is the point that an operator names before it dies.
func (f *Failpoints) lastWords(ctx context.Context, p corev1.Pod) string {
	for _, previous := range []bool{true, false} {
		raw, err := f.cluster.Kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{Previous: previous}).DoRaw(ctx)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			if rest, ok := strings.CutPrefix(line, "failpoint "); ok {
				point, _, _ := strings.Cut(rest, ":")
				return point
			}
		}
	}
	return "unknown"
}

func (c *Cluster) changeOperator(ctx context.Context, change func(*appsv1.Deployment)) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		d, err := c.operator(ctx)
		if err != nil {
			return err
		}
		change(d)
		return c.Update(ctx, d)
	})
}
