package render

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	dataVolume = v1alpha1.DataVolume
	confVolume = "conf"
	// serverUser is the user and group valkey of the official images.
	serverUser int64 = 999
	// fileMode lets the server's group read, and nobody else.
	fileMode int32 = 0o440
)

// podTemplate of a server. The role is not in it: it is the operator that
// labels a pod with what its server says.
func podTemplate(v *v1alpha1.Valkey, shard shard, site Site, configMap string) (corev1.PodTemplateSpec, error) {
	server, err := container(v, site)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	s := &v.Spec
	spec := pod(v, server, v.PodSelector())
	spec.Volumes = volumes(v, configMap)
	spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: v1alpha1.InServiceGate}}
	spec.TerminationGracePeriodSeconds = ptr.To(gracePeriod(s))
	spec.Affinity = affinity(v, shard)
	annotations := podAnnotations(v, s.RestartToken, v.Annotations[v1alpha1.RestartedAtAnnotation])
	annotations[v1alpha1.ReplicaPingAnnotation] = replicaPing(s)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      podLabels(v, labels(v), shard.labels),
			Annotations: annotations,
		},
		Spec: spec,
	}, nil
}

// pod is what a pod of servers and one of Sentinels have in common. Pods of the
// same selector spread.
func pod(v *v1alpha1.Valkey, c corev1.Container, selector map[string]string) corev1.PodSpec {
	s := &v.Spec
	out := corev1.PodSpec{
		Containers:                   []corev1.Container{c},
		ImagePullSecrets:             s.ImagePullSecrets,
		SecurityContext:              podSecurity(),
		AutomountServiceAccountToken: ptr.To(false),
		EnableServiceLinks:           ptr.To(false),
		NodeSelector:                 s.Scheduling.NodeSelector,
		Tolerations:                  s.Scheduling.Tolerations,
		Affinity:                     s.Scheduling.Affinity,
		PriorityClassName:            s.Scheduling.PriorityClassName,
		TopologySpreadConstraints:    spread(s.Scheduling.TopologySpreadConstraints, selector),
	}
	if s.IsSentinel() {
		out.DNSConfig = impatientDNS()
	}
	return out
}

// podLabels are the user's and ours; ours win.
func podLabels(v *v1alpha1.Valkey, ours ...map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, v.Spec.PodTemplate.Labels)
	for _, labels := range ours {
		maps.Copy(out, labels)
	}
	return out
}

// podAnnotations change whenever something asks for a restart that the rest of
// the template does not show.
func podAnnotations(v *v1alpha1.Valkey, restartToken, restartedAt string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, v.Spec.PodTemplate.Annotations)
	out[authAnnotation] = "none"
	if v.Spec.Auth.IsEnabled() {
		out[authAnnotation] = v.AuthSecretName()
	}
	if restartToken != "" {
		out[restartTokenAnnotation] = restartToken
	}
	if restartedAt != "" {
		out[v1alpha1.RestartedAtAnnotation] = restartedAt
	}
	return out
}

// container of the server.
func container(v *v1alpha1.Valkey, site Site) (corev1.Container, error) {
	name, err := image(&v.Spec, site.ImageRepository)
	if err != nil {
		return corev1.Container{}, err
	}
	out := process(v1alpha1.ContainerName, v1alpha1.Port)
	out.Image, out.ImagePullPolicy, out.Resources = name, v.Spec.ImagePullPolicy, v.Spec.Resources
	out.Command = []string{"valkey-server", confFolder + "/" + confFile}
	out.Lifecycle = handsOver(&v.Spec)
	switch {
	case v.Spec.IsCluster():
		underGuard(v, &out)
	case v.Spec.IsSentinel():
		announceName(v, site, &out)
	}
	aloneOnItsVolume(&v.Spec, &out)
	return out, nil
}

// process is a container in which one process listens on a port. It has no
// liveness probe: a server that loads its data, or is busy, must never be killed
// for it. The readiness probe says only that something listens; the rest is the
// readiness gate's (docs/adr/0002).
func process(name string, port int32) corev1.Container {
	return corev1.Container{
		Name:       name,
		WorkingDir: dataFolder,
		Ports:      []corev1.ContainerPort{{Name: name, ContainerPort: port, Protocol: corev1.ProtocolTCP}},
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(name)}},
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
	conf := configuration(v, configMap, confFiles(&v.Spec), secretFiles(&v.Spec))
	conf.Projected.Sources = append(conf.Projected.Sources, stopPassword(v))
	if v.Spec.Storage != nil {
		return []corev1.Volume{conf}
	}
	return []corev1.Volume{conf, untilThePodGoes()}
}

// configuration is files of a ConfigMap and of the system Secret. Nobody can write
// to them.
func configuration(v *v1alpha1.Valkey, configMap string, confFiles, secretFiles []string) corev1.Volume {
	return corev1.Volume{Name: confVolume, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: ptr.To(fileMode),
		Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: configMap},
				Items:                files("", confFiles),
			}},
			{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: v.SystemSecretName()},
				Items:                files(secretFolder+"/", secretFiles),
			}},
		},
	}}}
}

// untilThePodGoes is what a container leaves for the next one in its pod.
func untilThePodGoes() corev1.Volume {
	return corev1.Volume{Name: dataVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// stateSize bounds what a Sentinel writes down: some kilobytes.
const stateSize = "1Mi"

// inMemory is the same in memory: a Sentinel syncs its file before it believes
// anything, and while the disk is busy its clients wait for that in every handover
// (docs/adr/0007). Its pod's end is the end of it either way.
func inMemory() corev1.Volume {
	return corev1.Volume{Name: dataVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
		Medium: corev1.StorageMediumMemory, SizeLimit: ptr.To(resource.MustParse(stateSize)),
	}}}
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
		return []string{confFile, stopFile, aloneFile, startFile}
	}
	return []string{confFile, stopFile, aloneFile}
}

// secretFiles are those of the system Secret.
func secretFiles(s *v1alpha1.ValkeySpec) []string {
	if s.IsCluster() {
		return []string{aclFile, newerACLFile, heldACLFile, authFile}
	}
	return []string{aclFile, authFile}
}

// spread puts pods of a selector on hosts, and hosts in zones, apart from each
// other as far as possible, unless the user wishes otherwise. A pod can have one
// such constraint for each of them: those of one shard are kept apart by affinity.
func spread(wished []corev1.TopologySpreadConstraint, selector map[string]string) []corev1.TopologySpreadConstraint {
	same := &metav1.LabelSelector{MatchLabels: selector}
	if wished != nil {
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
