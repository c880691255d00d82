package bed

import (
	"cmp"
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

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	// firedFolder remembers which points have killed the operator.
	firedFolder      = "/failpoints"
	failpointsVolume = "failpoints"
)

// Failpoints is an operator that dies once at each of some points.
type Failpoints struct {
	cluster *Cluster
	claim   string
	before  appsv1.DeploymentSpec
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
	f := &Failpoints{cluster: c, claim: name}
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
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: f.claim}}
	return errors.Join(f.cluster.AwaitOperator(ctx), f.cluster.Delete(ctx, claim))
}

// Revive gives an operator that waits to be restarted a successor at once, until
// ctx ends: Kubernetes would make each wait twice as long as the one before.
func (f *Failpoints) Revive(ctx context.Context) {
	for {
		pods, err := f.cluster.OperatorPods(ctx)
		for _, p := range pods {
			if p.DeletionTimestamp == nil && waitsToRestart(p) {
				err = errors.Join(err, client.IgnoreNotFound(f.cluster.Delete(ctx, &p)))
			}
		}
		if err != nil && ctx.Err() == nil {
			f.cluster.Say("looking for a dead operator: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(often):
		}
	}
}

func waitsToRestart(p corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff"
	})
}

// Fired are the points at which the operator has died so far: a pod looks at
// what is on the volume.
func (f *Failpoints) Fired(ctx context.Context) ([]string, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: f.claim},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "ls", Image: cmp.Or(f.cluster.Settings.ValkeyRepository, "docker.io/valkey/valkey") + ":" + v1alpha1.DefaultVersion,
				Command:      []string{"ls", firedFolder},
				VolumeMounts: []corev1.VolumeMount{{Name: failpointsVolume, MountPath: firedFolder}},
			}},
			Volumes: []corev1.Volume{{Name: failpointsVolume, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: f.claim},
			}}},
		},
	}
	if err := f.cluster.Create(ctx, pod); err != nil {
		return nil, err
	}
	defer func() { _ = f.cluster.Delete(context.WithoutCancel(ctx), pod, client.GracePeriodSeconds(0)) }()
	err := Await(ctx, 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		err := f.cluster.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		return pod.Status.Phase == corev1.PodSucceeded, "the pod that looks is " + string(pod.Status.Phase), err
	})
	if err != nil {
		return nil, err
	}
	raw, err := f.cluster.Kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	return strings.Fields(string(raw)), err
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
