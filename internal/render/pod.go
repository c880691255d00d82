package render

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	dataVolume = "data"
	confVolume = "conf"
	// serverUser is the user and group valkey of the official images.
	serverUser int64 = 999
	// fileMode lets the server's group read, and nobody else.
	fileMode int32 = 0o440
)

// podTemplate of a server. The role is not in it: it is the operator that
// labels a pod with what its server says.
func podTemplate(v *v1alpha1.Valkey, shard shard, repository, configMap string) (corev1.PodTemplateSpec, error) {
	server, err := container(v, repository)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	s := &v.Spec
	spec := corev1.PodSpec{
		Containers:                    []corev1.Container{server},
		Volumes:                       volumes(v, configMap),
		ImagePullSecrets:              s.ImagePullSecrets,
		ReadinessGates:                []corev1.PodReadinessGate{{ConditionType: v1alpha1.InServiceGate}},
		SecurityContext:               podSecurity(),
		TerminationGracePeriodSeconds: ptr.To(gracePeriod(s)),
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		NodeSelector:                  s.Scheduling.NodeSelector,
		Tolerations:                   s.Scheduling.Tolerations,
		Affinity:                      affinity(v, shard),
		PriorityClassName:             s.Scheduling.PriorityClassName,
		TopologySpreadConstraints:     spread(v),
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: podLabels(v, shard), Annotations: podAnnotations(v)},
		Spec:       spec,
	}, nil
}

// podLabels are the user's and ours; ours win.
func podLabels(v *v1alpha1.Valkey, shard shard) map[string]string {
	out := map[string]string{}
	maps.Copy(out, v.Spec.PodTemplate.Labels)
	maps.Copy(out, labels(v))
	maps.Copy(out, shard.labels)
	return out
}

// podAnnotations change whenever something asks for a restart that the rest of
// the template does not show.
func podAnnotations(v *v1alpha1.Valkey) map[string]string {
	out := map[string]string{}
	maps.Copy(out, v.Spec.PodTemplate.Annotations)
	out[authAnnotation] = "none"
	if v.Spec.Auth.IsEnabled() {
		out[authAnnotation] = v.AuthSecretName()
	}
	if v.Spec.RestartToken != "" {
		out[restartTokenAnnotation] = v.Spec.RestartToken
	}
	if at := v.Annotations[v1alpha1.RestartedAtAnnotation]; at != "" {
		out[v1alpha1.RestartedAtAnnotation] = at
	}
	return out
}

// container of the server. It has no liveness probe: a server that loads its
// data, or is busy, must never be killed for it. The readiness probe says only
// that something listens; the rest is the readiness gate's (docs/adr/0002).
func container(v *v1alpha1.Valkey, repository string) (corev1.Container, error) {
	name, err := image(&v.Spec, repository)
	if err != nil {
		return corev1.Container{}, err
	}
	out := corev1.Container{
		Name:            v1alpha1.ContainerName,
		Image:           name,
		ImagePullPolicy: v.Spec.ImagePullPolicy,
		Command:         []string{"valkey-server", confFolder + "/" + confFile},
		WorkingDir:      dataFolder,
		Ports:           []corev1.ContainerPort{{Name: v1alpha1.ContainerName, ContainerPort: v1alpha1.Port, Protocol: corev1.ProtocolTCP}},
		Resources:       v.Spec.Resources,
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(v1alpha1.ContainerName)}},
			PeriodSeconds:    1,
			TimeoutSeconds:   1,
			FailureThreshold: 3,
		},
		// A server that does not start says why in its last lines.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			ReadOnlyRootFilesystem:   ptr.To(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: confVolume, MountPath: confFolder, ReadOnly: true},
			{Name: dataVolume, MountPath: dataFolder},
		},
	}
	if v.Spec.IsCluster() {
		underGuard(v, &out)
	}
	return out, nil
}

func podSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot:        ptr.To(true),
		RunAsUser:           ptr.To(serverUser),
		RunAsGroup:          ptr.To(serverUser),
		FSGroup:             ptr.To(serverUser),
		FSGroupChangePolicy: ptr.To(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// volumes are the configuration, with the files of the system Secret below it,
// and the data, unless a claim holds them.
func volumes(v *v1alpha1.Valkey, configMap string) []corev1.Volume {
	conf := corev1.Volume{Name: confVolume, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: ptr.To(fileMode),
		Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: configMap},
				Items:                files("", confFiles(&v.Spec)),
			}},
			{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: v.SystemSecretName()},
				Items:                files(secretFolder+"/", secretFiles(&v.Spec)),
			}},
		},
	}}}
	if v.Spec.Storage != nil {
		return []corev1.Volume{conf}
	}
	return []corev1.Volume{conf, {Name: dataVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
}

// files are keys that become files of the same name below a folder.
func files(folder string, keys []string) []corev1.KeyToPath {
	out := make([]corev1.KeyToPath, 0, len(keys))
	for _, key := range keys {
		out = append(out, corev1.KeyToPath{Key: key, Path: folder + key})
	}
	return out
}

// confFiles are those of the ConfigMap.
func confFiles(s *v1alpha1.ValkeySpec) []string {
	if s.IsCluster() {
		return []string{confFile, startFile}
	}
	return []string{confFile}
}

// secretFiles are those of the system Secret.
func secretFiles(s *v1alpha1.ValkeySpec) []string {
	if s.IsCluster() {
		return []string{aclFile, newerACLFile, heldACLFile, authFile}
	}
	return []string{aclFile, authFile}
}

// spread puts servers on hosts, and hosts in zones, apart from each other as
// far as possible, unless the user says otherwise. A pod can have one such
// constraint for each of them: those of one shard are kept apart by affinity.
func spread(v *v1alpha1.Valkey) []corev1.TopologySpreadConstraint {
	same := &metav1.LabelSelector{MatchLabels: v.PodSelector()}
	if wished := v.Spec.Scheduling.TopologySpreadConstraints; wished != nil {
		out := make([]corev1.TopologySpreadConstraint, 0, len(wished))
		for _, c := range wished {
			if c.LabelSelector == nil {
				c.LabelSelector = same
			}
			out = append(out, c)
		}
		return out
	}
	over := func(key string) corev1.TopologySpreadConstraint {
		return corev1.TopologySpreadConstraint{
			MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: same,
		}
	}
	return []corev1.TopologySpreadConstraint{over(corev1.LabelHostname), over(corev1.LabelTopologyZone)}
}

// affinity is the user's. Without one the servers of a shard shun each other's
// hosts, and zones: the sums that the spread above adds up may put two of them on
// one host to even out the instance.
func affinity(v *v1alpha1.Valkey, shard shard) *corev1.Affinity {
	if v.Spec.Scheduling.Affinity != nil || !v.Spec.IsCluster() {
		return v.Spec.Scheduling.Affinity
	}
	own := &metav1.LabelSelector{MatchLabels: shard.selector(v)}
	shun := func(key string, weight int32) corev1.WeightedPodAffinityTerm {
		return corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: key, LabelSelector: own}}
	}
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
			shun(corev1.LabelHostname, 100), shun(corev1.LabelTopologyZone, 50)},
	}}
}
