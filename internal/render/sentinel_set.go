package render

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// sentinelSet has no claims: all that a Sentinel knows the operator and the others
// can tell it.
func sentinelSet(v *v1alpha1.Valkey, site Site, configMap string) (*appsv1.StatefulSet, error) {
	hash, err := SentinelTemplateHash(v)
	if err != nil {
		return nil, err
	}
	template, err := sentinelPod(v, site, configMap)
	if err != nil {
		return nil, err
	}
	out := &appsv1.StatefulSet{
		ObjectMeta: sentinelMeta(v, v.SentinelName()),
		Spec: appsv1.StatefulSetSpec{
			Replicas:             ptr.To(v.Spec.SentinelCount()),
			Selector:             &metav1.LabelSelector{MatchLabels: v.SentinelSelector()},
			ServiceName:          v.SentinelNodesServiceName(),
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			UpdateStrategy:       updateStrategy(&v.Spec.Rollout),
			RevisionHistoryLimit: ptr.To[int32](revisionHistoryLimit),
			Template:             template,
		},
	}
	out.Annotations = map[string]string{InputsHashAnnotation: hash}
	return out, nil
}

// sentinelInputs is every wish of the user that the template of Sentinels' pods
// follows from. What is true of templateInputs is true here. What Sentinels are told
// while they run (quorum, downAfter, failoverTimeout) is not among it.
type sentinelInputs struct {
	Version          string                        `json:"version,omitempty"`
	Image            string                        `json:"image,omitempty"`
	ImagePullPolicy  corev1.PullPolicy             `json:"imagePullPolicy,omitempty"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	Resources        corev1.ResourceRequirements   `json:"resources,omitzero"`
	RestartToken     string                        `json:"restartToken,omitempty"`
	Scheduling       v1alpha1.Scheduling           `json:"scheduling,omitzero"`
	PodTemplate      v1alpha1.PodTemplate          `json:"podTemplate,omitzero"`
	AuthSecret       string                        `json:"authSecret,omitempty"`
	NoAuth           bool                          `json:"noAuth,omitempty"`
}

// SentinelTemplateHash is TemplateHash for the Sentinels' pods.
func SentinelTemplateHash(v *v1alpha1.Valkey) (string, error) {
	s := &v.Spec
	in := sentinelInputs{
		Version:          s.Version,
		Image:            s.Image,
		ImagePullPolicy:  s.ImagePullPolicy,
		ImagePullSecrets: s.ImagePullSecrets,
		Resources:        s.Sentinel.Resources,
		RestartToken:     s.Sentinel.RestartToken,
		Scheduling:       s.Scheduling,
		PodTemplate:      s.PodTemplate,
		AuthSecret:       s.Auth.SecretName,
		NoAuth:           !s.Auth.IsEnabled(),
	}
	if s.Sentinel.Image != "" {
		in.Version, in.Image = "", s.Sentinel.Image
	}
	return hashOf(in)
}

// sentinelNodesService leads to every Sentinel, ready or not, by its name.
func sentinelNodesService(v *v1alpha1.Valkey) *corev1.Service {
	out := &corev1.Service{ObjectMeta: sentinelMeta(v, v.SentinelNodesServiceName()), Spec: sentinelServiceSpec(v)}
	out.Spec.ClusterIP = corev1.ClusterIPNone
	out.Spec.PublishNotReadyAddresses = true
	return out
}

// sentinelService leads clients to any Sentinel. It tells them where the primary
// is, and the other Sentinels.
func sentinelService(v *v1alpha1.Valkey) *corev1.Service {
	return &corev1.Service{ObjectMeta: sentinelMeta(v, v.SentinelName()), Spec: sentinelServiceSpec(v)}
}

func sentinelServiceSpec(v *v1alpha1.Valkey) corev1.ServiceSpec {
	return corev1.ServiceSpec{
		Type:     corev1.ServiceTypeClusterIP,
		Selector: v.SentinelSelector(),
		Ports: []corev1.ServicePort{{
			Name:       v1alpha1.SentinelContainerName,
			Port:       v1alpha1.SentinelPort,
			TargetPort: intstr.FromInt32(v1alpha1.SentinelPort),
			Protocol:   corev1.ProtocolTCP,
		}},
	}
}

// sentinelAuth is how Sentinels log in at each other. On the data servers they log
// in as the same user: the operator tells them while they run.
func sentinelAuth(p Passwords) string {
	return fmt.Sprintf("sentinel sentinel-user %s\nsentinel sentinel-pass %s\n", v1alpha1.SentinelUser, p.Sentinel)
}
