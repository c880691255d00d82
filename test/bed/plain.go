package bed

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Plain is one server in a StatefulSet of its own, with no operator: the control of
// what is measured of a Standalone. Its objects have the names that an instance's have,
// so that the same ledger writes to it.
type Plain struct {
	Instance
	durable bool
}

const plainPassword = "plain"

// MakePlain makes one of a version, and waits until it is in service.
func (c *Cluster) MakePlain(ctx context.Context, namespace, name, version string, durable bool) (*Plain, error) {
	p := &Plain{Instance: Instance{Cluster: c, Namespace: namespace, Name: name}, durable: durable}
	v := p.resource()
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: v.PodSelector()}
	}
	for _, o := range []client.Object{
		&corev1.Secret{ObjectMeta: named(v.AuthSecretName()), StringData: map[string]string{v1alpha1.PasswordKey: plainPassword}},
		&corev1.Service{ObjectMeta: named(v.PrimaryServiceName()), Spec: corev1.ServiceSpec{Selector: v.PodSelector(),
			Ports: []corev1.ServicePort{{Name: v1alpha1.ContainerName, Port: v1alpha1.Port, TargetPort: intstr.FromInt32(v1alpha1.Port)}}}},
		p.set(named(name), version),
	} {
		if err := c.Create(ctx, o); err != nil {
			return nil, fmt.Errorf("make the plain StatefulSet %s: %w", name, err)
		}
	}
	return p, p.awaitRolled(ctx)
}

// resource bears the names alone: there is none in Kubernetes.
func (p *Plain) resource() *v1alpha1.Valkey {
	return &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name},
		Spec: v1alpha1.ValkeySpec{Topology: v1alpha1.TopologyStandalone}}
}

func (p *Plain) image(version string) string {
	return p.Cluster.Settings.ValkeyRepository + ":" + version
}

func (p *Plain) set(meta metav1.ObjectMeta, version string) *appsv1.StatefulSet {
	out := &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
		Replicas: ptr.To[int32](1), Selector: &metav1.LabelSelector{MatchLabels: meta.Labels}, ServiceName: meta.Name,
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: corev1.PodSpec{
			Containers:      []corev1.Container{p.server(version)},
			SecurityContext: plainSecurity(),
			Volumes:         []corev1.Volume{{Name: v1alpha1.DataVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		}},
	}}
	if p.durable {
		out.Spec.Template.Spec.Volumes = nil
		out.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{
			ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.DataVolume},
			Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}},
		}}
	}
	return out
}

// server takes snapshots where it has a volume, as a Standalone does.
func (p *Plain) server(version string) corev1.Container {
	save := ""
	if p.durable {
		save = "3600 1 300 100 60 10000"
	}
	return corev1.Container{
		Name: v1alpha1.ContainerName, Image: p.image(version), WorkingDir: "/data",
		Command: []string{"valkey-server", "--dir", "/data", "--bind", "*", "--requirepass", plainPassword, "--save", save},
		Ports:   []corev1.ContainerPort{{Name: v1alpha1.ContainerName, ContainerPort: v1alpha1.Port}},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
			TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(v1alpha1.Port)}}},
		SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(false),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		VolumeMounts: []corev1.VolumeMount{{Name: v1alpha1.DataVolume, MountPath: "/data"}},
	}
}

func plainSecurity() *corev1.PodSecurityContext {
	const user = 999 // valkey of the official images
	return &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](user), RunAsGroup: ptr.To[int64](user),
		FSGroup: ptr.To[int64](user), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
}

// Write starts a ledger on it.
func (p *Plain) Write(ctx context.Context, load Load) (*Ledger, error) {
	load.Practice = "plain StatefulSet"
	return p.writeTo(ctx, p.resource(), load)
}

// Roll changes the version, as one changes a StatefulSet, and waits until its pod runs.
func (p *Plain) Roll(ctx context.Context, version string) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		set := &appsv1.StatefulSet{}
		if err := p.Cluster.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: p.Name}, set); err != nil {
			return err
		}
		set.Spec.Template.Spec.Containers[0].Image = p.image(version)
		return p.Cluster.Update(ctx, set)
	})
	if err != nil {
		return fmt.Errorf("roll the plain StatefulSet %s: %w", p.Name, err)
	}
	return p.awaitRolled(ctx)
}

func (p *Plain) awaitRolled(ctx context.Context) error {
	return Await(ctx, 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		set := &appsv1.StatefulSet{}
		err := p.Cluster.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: p.Name}, set)
		s := set.Status
		done := s.ObservedGeneration == set.Generation && s.UpdatedReplicas == 1 && s.ReadyReplicas == 1 && s.CurrentRevision == s.UpdateRevision
		return done, fmt.Sprintf("%d updated, %d ready", s.UpdatedReplicas, s.ReadyReplicas), err
	})
}
