package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// templateInputs is every wish of the user that the pod template follows from,
// and nothing of the operator's own. A field that is added here must be omitted
// from the JSON while the user has not set it: else the new operator's hash
// differs from the old one's, and every instance restarts.
type templateInputs struct {
	Version          string                        `json:"version,omitempty"`
	Image            string                        `json:"image,omitempty"`
	ImagePullPolicy  corev1.PullPolicy             `json:"imagePullPolicy,omitempty"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	Resources        corev1.ResourceRequirements   `json:"resources,omitzero"`
	Storage          *v1alpha1.Storage             `json:"storage,omitempty"`
	Persistence      v1alpha1.Persistence          `json:"persistence,omitzero"`
	Config           v1alpha1.Config               `json:"config,omitempty"`
	RestartToken     string                        `json:"restartToken,omitempty"`
	RestartedAt      string                        `json:"restartedAt,omitempty"`
	Scheduling       v1alpha1.Scheduling           `json:"scheduling,omitzero"`
	PodTemplate      v1alpha1.PodTemplate          `json:"podTemplate,omitzero"`
	AuthSecret       string                        `json:"authSecret,omitempty"`
	NoAuth           bool                          `json:"noAuth,omitempty"`
	GracePeriod      *int64                        `json:"gracePeriod,omitempty"`
}

// TemplateHash is a hash of the user's wishes that pods are made from. Two
// operators of different versions give the same one for the same resource.
func TemplateHash(v *v1alpha1.Valkey) (string, error) {
	s := &v.Spec
	return hashOf(templateInputs{
		Version:          s.Version,
		Image:            s.Image,
		ImagePullPolicy:  s.ImagePullPolicy,
		ImagePullSecrets: s.ImagePullSecrets,
		Resources:        s.Resources,
		Storage:          s.Storage,
		Persistence:      s.Persistence,
		Config:           s.Config,
		RestartToken:     s.RestartToken,
		RestartedAt:      v.Annotations[v1alpha1.RestartedAtAnnotation],
		Scheduling:       s.Scheduling,
		PodTemplate:      s.PodTemplate,
		AuthSecret:       s.Auth.SecretName,
		NoAuth:           !s.Auth.IsEnabled(),
		GracePeriod:      s.TerminationGracePeriodSeconds,
	})
}

func hashOf(wishes any) (string, error) {
	text, err := json.Marshal(wishes)
	if err != nil {
		return "", fmt.Errorf("hash the spec: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// KeepTemplate is the desired StatefulSet with what must stay as it exists: the
// pod template while the user's wishes are the same, so that an operator
// upgrade restarts nothing; and in any case the fields that Kubernetes does not
// let change. It changes neither argument.
func KeepTemplate(existing, desired *appsv1.StatefulSet) *appsv1.StatefulSet {
	out := desired.DeepCopy()
	if existing == nil {
		return out
	}
	keep := existing.DeepCopy()
	out.Spec.VolumeClaimTemplates = keep.Spec.VolumeClaimTemplates
	out.Spec.Selector = keep.Spec.Selector
	out.Spec.ServiceName = keep.Spec.ServiceName
	out.Spec.PodManagementPolicy = keep.Spec.PodManagementPolicy
	was := existing.Annotations[InputsHashAnnotation]
	if was != "" && was == desired.Annotations[InputsHashAnnotation] {
		out.Spec.Template = keep.Spec.Template
	}
	return out
}
