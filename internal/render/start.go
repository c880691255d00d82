package render

import (
	_ "embed" // start.sh

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// startFile is the script that starts the server of a Cluster's pod, or holds it
// back (docs/adr/0006).
const startFile = "start.sh"

//go:embed start.sh
var startScript string

// The bus is where the servers of a Cluster talk to each other: 10,000 above the
// port that clients use.
const (
	busPort     = v1alpha1.Port + 10000
	busPortName = "bus"
)

// clusterMode is what makes a server one of a Cluster. What depends on the pod
// and on the version of the server stands in start.sh.
func clusterMode() []setting {
	return []setting{
		{"cluster-enabled", "yes"},
		{"cluster-config-file", "nodes.conf"}, // start.sh reads it
		{"cluster-node-timeout", "5000"},
		// A shard's replicas are those of its StatefulSet.
		{"cluster-allow-replica-migration", "no"},
		// With a factor a replica that has not been linked since it booted is never
		// elected by the servers. The guard rests on it: replicas join at once.
		{"cluster-replica-validity-factor", "10"},
		// Many clients raise hz. Above 10 a server looks more seldom at the clock of a
		// failover than at its connections (docs/adr/0005).
		{"dynamic-hz", "no"},
	}
}

// underGuard makes start.sh the container's first process.
func underGuard(v *v1alpha1.Valkey, c *corev1.Container) {
	c.Command = []string{"sh", confFolder + "/" + startFile}
	c.Ports = append(c.Ports, corev1.ContainerPort{Name: busPortName, ContainerPort: busPort, Protocol: corev1.ProtocolTCP})
	c.Env = []corev1.EnvVar{
		{Name: "PERSISTENCE", Value: string(v.Spec.PersistenceMode())},
		fromPod("POD_IP", "status.podIP"),
		fromPod(podName, "metadata.name"),
		{Name: "ANNOUNCE_HOSTNAME", Value: v.NodeHostname("$(" + podName + ")")},
	}
}

// podName is the environment variable with the name of the pod.
const podName = "POD_NAME"

func fromPod(name, field string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: field}}}
}
