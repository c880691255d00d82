package render

import (
	_ "embed" // stop.sh
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// stopFile is the script that hands a primary's role over before its server is told to
// stop, unless the operator does (docs/drains.md).
const stopFile = "stop.sh"

//go:embed stop.sh
var stopScript string

// The bounds of stop.sh in seconds: how long it waits for the operator, and what it takes
// afterwards (failover and settle in it).
const (
	stopPatience = int64(model.StopPatience / 1e9)
	stopFailover = 7
	stopSettle   = 2
)

// handsOver makes stop.sh the container's preStop step. A pod is told nothing by a
// container that restarts on its own: this is for the pod's end alone. A user who has the
// StatefulSet's controller restart primaries wants no step in its way.
func handsOver(s *v1alpha1.ValkeySpec) *corev1.Lifecycle {
	if s.Rollout.StrategyOrDefault() == v1alpha1.StrategyRollingUpdate {
		return nil
	}
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{
		"sh", confFolder + "/" + stopFile, strconv.FormatInt(stopPatience, 10), string(s.Topology)}}}}
}

// stopPassword is what stop.sh logs in with. It is optional: an operator of an earlier
// version, should one take over again, writes the Secret without it and keeps the pods'
// template. Their pods have to start then, and stop.sh does nothing.
func stopPassword(v *v1alpha1.Valkey) corev1.VolumeProjection {
	return corev1.VolumeProjection{Secret: &corev1.SecretProjection{
		LocalObjectReference: corev1.LocalObjectReference{Name: v.SystemSecretName()},
		Items:                files(secretFolder+"/", []string{v1alpha1.StopPasswordKey}),
		Optional:             ptr.To(true),
	}}
}
