package render

import (
	_ "embed" // start-sentinel.sh
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	sentinelConfFile  = "sentinel.conf"
	sentinelStartFile = "start-sentinel.sh"
	sentinelACLFile   = "sentinel-users.acl"
	sentinelAuthFile  = "sentinel-auth.conf"
	// sentinelGrace is seconds. A Sentinel that is told to end has nothing to save
	// and nobody to wait for.
	sentinelGrace int64 = 10
)

// sentinelStartScript starts a Sentinel with what it has written down, or as one
// that knows nobody.
//
//go:embed start-sentinel.sh
var sentinelStartScript string

// Sentinels are the objects of an instance's Sentinels; all are nil with other
// topologies.
type Sentinels struct {
	// ConfigMap is as Rendered.ConfigMap, for the Sentinels.
	ConfigMap *corev1.ConfigMap
	// NodesService is headless and leads to every Sentinel, ready or not: the others
	// look for it by its name as soon as it runs.
	NodesService *corev1.Service
	// Service is where clients find a Sentinel to ask.
	Service     *corev1.Service
	StatefulSet *appsv1.StatefulSet
}

func sentinels(v *v1alpha1.Valkey, in Inputs) (Sentinels, error) {
	config := sentinelConfigMap(v)
	desired, err := sentinelSet(v, in.Site, config.Name)
	if err != nil {
		return Sentinels{}, err
	}
	out := Sentinels{
		NodesService: sentinelNodesService(v),
		Service:      sentinelService(v),
		StatefulSet:  KeepTemplate(in.StatefulSets[desired.Name], desired),
	}
	if ConfigMapOf(out.StatefulSet.Spec.Template.Spec) == config.Name {
		out.ConfigMap = config
	}
	return out, nil
}

// sentinelMeta of an object that is the Sentinels' alone.
func sentinelMeta(v *v1alpha1.Valkey, name string) metav1.ObjectMeta {
	out := meta(v, name)
	out.Labels[v1alpha1.ComponentLabel] = v1alpha1.ComponentSentinel
	return out
}

// sentinelConf is what every Sentinel of an instance begins with. Whom it
// monitors, and how, the operator tells it while it runs: one that has lost what
// it knew has no say until then.
//
// Names take the place of addresses everywhere, because a pod keeps its name: a
// server or a Sentinel that comes back with another address is the one that it was.
func sentinelConf() string {
	lines := []setting{
		{"port", strconv.Itoa(v1alpha1.SentinelPort)},
		{"bind", "* -::*"},
		{"protected-mode", "no"}, // the users in the ACL file protect it
		{"tcp-keepalive", "60"},
		{"daemonize", "no"},
		{"dir", dataFolder},
		{"aclfile", confFolder + "/" + secretFolder + "/" + sentinelACLFile},
		{"sentinel", "resolve-hostnames yes"},
		{"sentinel", "announce-hostnames yes"},
		{"sentinel", "announce-port " + strconv.Itoa(v1alpha1.SentinelPort)},
		{"sentinel", "deny-scripts-reconfig yes"},
	}
	var b strings.Builder
	b.WriteString("# Written by Valkeeper. A Sentinel begins with it and goes on with a copy of its own.\n")
	for _, line := range lines {
		fmt.Fprintf(&b, "%s %s\n", line.name, line.value)
	}
	return b.String()
}

func sentinelConfigMap(v *v1alpha1.Valkey) *corev1.ConfigMap {
	conf := sentinelConf()
	return unchanging(sentinelMeta(v, v.SentinelName()),
		map[string]string{sentinelConfFile: conf, sentinelStartFile: sentinelStartScript}, conf+sentinelStartScript)
}

// sentinelContainer is that of a Sentinel, with the instance's image unless it
// has one of its own.
func sentinelContainer(v *v1alpha1.Valkey, site Site) (corev1.Container, error) {
	name := v.Spec.Sentinel.Image
	if name == "" {
		var err error
		if name, err = image(&v.Spec, site.ImageRepository); err != nil {
			return corev1.Container{}, err
		}
	}
	out := process(v1alpha1.SentinelContainerName, v1alpha1.SentinelPort)
	out.Image, out.ImagePullPolicy, out.Resources = name, v.Spec.ImagePullPolicy, v.Spec.Sentinel.Resources
	out.Command = []string{"sh", confFolder + "/" + sentinelStartFile}
	out.Env = []corev1.EnvVar{
		fromPod(podName, "metadata.name"),
		{Name: "ANNOUNCE_HOSTNAME", Value: site.full(v.SentinelHostname("$(" + podName + ")"))},
		{Name: "ID_PREFIX", Value: v.SentinelIDPrefix()},
	}
	return out, nil
}

func sentinelPod(v *v1alpha1.Valkey, site Site, configMap string) (corev1.PodTemplateSpec, error) {
	sentinel, err := sentinelContainer(v, site)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	spec := pod(v, sentinel, v.SentinelSelector())
	spec.TerminationGracePeriodSeconds = ptr.To(sentinelGrace)
	spec.Volumes = []corev1.Volume{
		configuration(v, configMap, []string{sentinelConfFile, sentinelStartFile}, []string{sentinelACLFile, sentinelAuthFile}),
		inMemory(),
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      podLabels(v, sentinelMeta(v, "").Labels),
			Annotations: podAnnotations(v, v.Spec.Sentinel.RestartToken, ""),
		},
		Spec: spec,
	}, nil
}

// announceName makes a data server tell the name of its pod, so that Sentinels know
// it by that.
func announceName(v *v1alpha1.Valkey, site Site, c *corev1.Container) {
	c.Command = append(c.Command, "--replica-announce-ip", site.full(v.NodeHostname("$("+podName+")")))
	c.Env = []corev1.EnvVar{fromPod(podName, "metadata.name")}
}

// full is a host's name with the domain. A Sentinel that hears of a new primary looks
// half a dozen names up before it answers anybody else.
func (s Site) full(host string) string {
	if s.Domain == "" {
		return host
	}
	return host + "." + s.Domain
}

// impatientDNS bounds how long a name is looked for. Sentinels and servers do that
// in the thread that does everything else: one that waits for a silent DNS, 5 s at
// each try by default, is silent itself.
func impatientDNS() *corev1.PodDNSConfig {
	return &corev1.PodDNSConfig{Options: []corev1.PodDNSConfigOption{
		{Name: "timeout", Value: ptr.To("1")}, {Name: "attempts", Value: ptr.To("2")},
	}}
}
