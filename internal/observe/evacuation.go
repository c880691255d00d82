package observe

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// removal are the taints by which the usual tools say that a host is about to be taken
// away. Only those count that keep pods off: a host that is merely a candidate
// (DeletionCandidateOfClusterAutoscaler, PreferNoSchedule) may never go.
var removal = []string{
	corev1.TaintNodeUnschedulable,                 // the shadow of a cordon
	"ToBeDeletedByClusterAutoscaler",              // cluster-autoscaler
	"karpenter.sh/disrupted",                      // Karpenter 1.x
	"karpenter.sh/disruption",                     // Karpenter 0.3x
	"cloud.google.com/impending-node-termination", // GKE
}

// removalFolder are the taints of aws-node-termination-handler: spot-itn,
// scheduled-maintenance, asg-lifecycle-termination and rebalance-recommendation.
const removalFolder = "aws-node-termination-handler/"

// WhyEvacuate is why primaries are to leave a host, in words for a person on call; empty
// when they may stay.
func WhyEvacuate(host *corev1.Node) string {
	if evacuationAsked(host.Annotations) {
		return fmt.Sprintf("host %s has the annotation %s%s", host.Name, v1alpha1.EvacuateAnnotation, open(host))
	}
	if host.DeletionTimestamp != nil {
		return fmt.Sprintf("host %s is being deleted", host.Name)
	}
	if host.Spec.Unschedulable {
		return fmt.Sprintf("host %s is cordoned", host.Name)
	}
	for _, t := range host.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule && (slices.Contains(removal, t.Key) || strings.HasPrefix(t.Key, removalFolder)) {
			return fmt.Sprintf("host %s has the taint %s", host.Name, t.Key)
		}
	}
	return ""
}

// open warns of a host that is to be left and keeps no pod off: the very pod that is to
// take over may be started there. What a pod template says of hosts changes only with its
// user's wishes, since that restarts every pod: so it is the cordon that keeps them off.
func open(host *corev1.Node) string {
	if host.Spec.Unschedulable {
		return ""
	}
	return ", and is not cordoned, so new pods may start on it"
}

// podEvacuates is a request for one pod alone.
func podEvacuates(pod *corev1.Pod) string {
	if !evacuationAsked(pod.Annotations) {
		return ""
	}
	return "its pod has the annotation " + v1alpha1.EvacuateAnnotation
}

func evacuationAsked(annotations map[string]string) bool {
	value, ok := annotations[v1alpha1.EvacuateAnnotation]
	return ok && value != "false"
}

// Departure is what is known of a host that its servers leave, or that leaves itself. The
// zero value is one that stays.
type Departure struct {
	// Why primaries are to leave it; empty when they may stay.
	Why string
	// ShutDown is when it began to shut down; zero when it does not.
	ShutDown time.Time
}

// DepartureOf reads it from the host.
func DepartureOf(host *corev1.Node) Departure {
	return Departure{Why: WhyEvacuate(host), ShutDown: shutDown(host)}
}

// Evacuations are the hosts that are to be left, as a watch tells of them. An operator
// that may not watch hosts knows of none.
type Evacuations struct {
	mu    sync.Mutex
	known map[string]Departure
}

// NewEvacuations knows of none yet.
func NewEvacuations() *Evacuations { return &Evacuations{known: map[string]Departure{}} }

// Of is what is known of a host.
func (e *Evacuations) Of(host string) Departure {
	if e == nil {
		return Departure{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known[host]
}

// Note takes down what is known of a host, and says whether that is news.
func (e *Evacuations) Note(host string, now Departure) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	news := e.known[host] != now
	if now == (Departure{}) {
		delete(e.known, host)
	} else {
		e.known[host] = now
	}
	return news
}

// EvacuationOf are the annotations of a host that anything is read from.
func EvacuationOf(annotations map[string]string) map[string]string {
	value, ok := annotations[v1alpha1.EvacuateAnnotation]
	if !ok {
		return nil
	}
	return map[string]string{v1alpha1.EvacuateAnnotation: value}
}
