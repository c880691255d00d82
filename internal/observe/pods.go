package observe

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// nodes makes one node of a StatefulSet for each ordinal below size and for each
// pod beyond it.
func nodes(set string, size int, pods []corev1.Pod, now time.Time) []model.Node {
	out := make([]model.Node, 0, max(size, len(pods)))
	for i := range size {
		out = append(out, model.Node{Ordinal: i, Ref: model.Ref{Name: fmt.Sprintf("%s-%d", set, i)}})
	}
	for i := range pods {
		ordinal, ok := ordinal(set, pods[i].Name)
		switch {
		case !ok:
		case ordinal < size:
			out[ordinal] = node(ordinal, &pods[i], now)
		default:
			out = append(out, node(ordinal, &pods[i], now))
		}
	}
	slices.SortFunc(out, func(a, b model.Node) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return out
}

// ordinal of a pod. A name that the StatefulSet would not give, such as cart-01,
// is another pod's.
func ordinal(set, pod string) (int, bool) {
	text, ok := strings.CutPrefix(pod, set+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == text
}

func node(ordinal int, pod *corev1.Pod, now time.Time) model.Node {
	n := model.Node{
		Ref:       model.Ref{Name: pod.Name, UID: string(pod.UID), Address: address(pod.Status.PodIP)},
		Ordinal:   ordinal,
		Host:      pod.Spec.NodeName,
		Phase:     phase(pod),
		Revision:  pod.Labels[appsv1.ControllerRevisionHashLabelKey],
		RoleLabel: role(pod.Labels[v1alpha1.RoleLabel]),
		Dead:      ended(pod),

		CannotStart: cannotStart(pod, now),
		Trouble:     trouble(pod),
		PingEvery:   pingEvery(pod),
		Evacuate:    podEvacuates(pod),

		TerminatingFor: terminatingFor(pod, now),
	}
	for _, c := range pod.Status.Conditions {
		switch string(c.Type) {
		case string(corev1.PodReady):
			n.Ready = c.Status == corev1.ConditionTrue
		case v1alpha1.InServiceGate:
			n.Admitted, n.InService = true, c.Status == corev1.ConditionTrue
		}
	}
	// A mark that cannot be read is none: a drain without a beginning has no end.
	if since, err := time.Parse(time.RFC3339Nano, pod.Annotations[v1alpha1.DrainingSinceAnnotation]); err == nil {
		n.Draining, n.DrainingFor = true, now.Sub(since)
	}
	return n
}

// pingEvery is what the pod's template says of its valkey.conf; 0 when it was made
// by an operator that did not say so.
func pingEvery(pod *corev1.Pod) time.Duration {
	s, err := strconv.Atoi(pod.Annotations[v1alpha1.ReplicaPingAnnotation])
	if err != nil || s <= 0 {
		return 0
	}
	return time.Duration(s) * time.Second
}

func address(ip string) string {
	if ip == "" {
		return ""
	}
	return net.JoinHostPort(ip, strconv.Itoa(v1alpha1.Port))
}

func role(label string) model.Role {
	switch label {
	case model.RolePrimary.String():
		return model.RolePrimary
	case model.RoleReplica.String():
		return model.RoleReplica
	}
	return model.RoleUnknown
}

func phase(pod *corev1.Pod) model.PodPhase {
	switch {
	case pod.DeletionTimestamp != nil:
		return model.PodTerminating
	case pod.Status.Phase == corev1.PodRunning && disrupted(pod) != nil:
		return model.PodTerminating
	case pod.Status.Phase == corev1.PodRunning && pod.Status.PodIP != "":
		return model.PodRunning
	}
	return model.PodPending
}

// ended is Kubernetes' word that no server process runs in the pod.
func ended(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded || pod.Spec.NodeName == "" {
		return true
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == container(pod) {
			return c.State.Running == nil && (c.State.Terminated != nil || c.State.Waiting != nil)
		}
	}
	return false
}

// container is the name of the one that the server, or the Sentinel, runs in.
func container(pod *corev1.Pod) string {
	if pod.Labels[v1alpha1.ComponentLabel] == v1alpha1.ComponentSentinel {
		return v1alpha1.SentinelContainerName
	}
	return v1alpha1.ContainerName
}
