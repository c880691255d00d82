package observe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/internal/model"
)

const (
	// absentLong is how long a pod has to be absent for anybody to ask why: most are made
	// at once.
	absentLong = 3 * time.Second
	// refusalsKept is how long it is remembered what was said of the pods of a StatefulSet.
	refusalsKept = 5 * time.Second
	// refusalsRenewed bounds the age of what was said before this process first looked. A
	// refusal that lasts is said again: the StatefulSet controller tries at least every
	// thousand seconds, and may tell of it once in five minutes.
	refusalsRenewed = 25 * time.Minute
	// clockSlack is by how much the clock of the StatefulSet controller may be behind ours:
	// its events tell whole seconds.
	clockSlack = 2 * time.Second
)

// Absences tells since when pods have been absent that are wished for, and why Kubernetes
// does not make them: a quota, a LimitRange or an admission webhook refuses them. Nothing
// but an event says so, in the name of the StatefulSet. Events are read past every cache,
// and only while a pod is absent for long; an operator that may not read them does without
// the words. What is kept is memory alone, as with Silence. A nil one knows nothing.
type Absences struct {
	reader client.Reader
	mu     sync.Mutex
	sets   map[string]map[string]setAbsences // by instance and StatefulSet
	events map[types.UID]setEvents           // by StatefulSet
}

// setAbsences are those of one StatefulSet, as it was last seen.
type setAbsences struct {
	uid        types.UID
	generation int64
	pods       map[string]absence // is never written to, but replaced
}

// absence is since when a pod has been absent, and from when on it was refused for that.
type absence struct{ since, refused time.Time }

type setEvents struct {
	items []corev1.Event
	read  time.Time
}

// NewAbsences reads from the API server itself.
func NewAbsences(live client.Reader) *Absences {
	return &Absences{reader: live, sets: map[string]map[string]setAbsences{}, events: map[types.UID]setEvents{}}
}

// fill says of each absent pod of a StatefulSet how long it has been so, and why.
func (a *Absences) fill(ctx context.Context, instance string, set *appsv1.StatefulSet, nodes []model.Node, now time.Time) {
	if a == nil || set == nil {
		return
	}
	pods := a.note(instance, set, nodes, now)
	for i := range nodes {
		n := &nodes[i]
		absent, ok := pods[n.Name]
		if !ok {
			continue
		}
		n.AbsentFor = max(0, now.Sub(absent.since))
		if n.AbsentFor >= absentLong {
			n.Trouble = refusal(a.said(ctx, set, now), set.Name, n.Name, absent.refused)
		}
	}
}

// note takes down which pods are absent. What was said of one before it began to be absent,
// or before the StatefulSet was as it is now, is of another wish.
func (a *Absences) note(instance string, set *appsv1.StatefulSet, nodes []model.Node, now time.Time) map[string]absence {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, known := a.sets[instance][set.Name]
	begins := absence{since: now, refused: now.Add(-clockSlack)}
	if !known {
		begins.refused = now.Add(-refusalsRenewed) // who knows since when
	}
	is := setAbsences{uid: set.UID, generation: set.Generation, pods: map[string]absence{}}
	same := was.uid == set.UID && set.Generation <= was.generation // older: by a cache that is late
	if same {
		is.generation = was.generation
	}
	for _, n := range nodes {
		if n.Phase != model.PodAbsent {
			continue
		}
		is.pods[n.Name] = begins
		if before, absent := was.pods[n.Name]; absent && same {
			is.pods[n.Name] = before
		}
	}
	if a.sets[instance] == nil {
		a.sets[instance] = map[string]setAbsences{}
	}
	a.sets[instance][set.Name] = is
	if len(is.pods) == 0 {
		delete(a.events, set.UID)
	}
	return is.pods
}

// said are the events of a StatefulSet, those that were read last if they cannot be now.
func (a *Absences) said(ctx context.Context, set *appsv1.StatefulSet, now time.Time) []corev1.Event {
	a.mu.Lock()
	known := a.events[set.UID]
	a.mu.Unlock()
	if now.Sub(known.read) < refusalsKept {
		return known.items
	}
	ctx, cancel := context.WithTimeout(ctx, zoneTimeout)
	defer cancel()
	list := &corev1.EventList{}
	err := a.reader.List(ctx, list, client.InNamespace(set.Namespace), client.MatchingFields{"involvedObject.uid": string(set.UID)})
	if err == nil {
		known.items = list.Items
	}
	known.read = now
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events[set.UID] = known
	return known.items
}

// Forget drops what is known of an instance.
func (a *Absences) Forget(instance string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, set := range a.sets[instance] {
		delete(a.events, set.uid)
	}
	delete(a.sets, instance)
}

// refusal is why a pod could not be made, if that is the last word of the StatefulSet
// controller on it and was said after that time (kubernetes v1.37
// pkg/controller/statefulset/stateful_pod_control.go recordPodEvent). Where it could not
// even make its claim, that is said of the pod as well.
func refusal(said []corev1.Event, set, pod string, after time.Time) string {
	subject := fmt.Sprintf("Pod %s in StatefulSet %s ", pod, set)
	var refused, made time.Time
	words := ""
	for i := range said {
		_, predicate, found := strings.Cut(said[i].Message, subject)
		at := lastSaid(&said[i])
		switch {
		case !found:
		case said[i].Reason == "FailedCreate" && !at.Before(refused):
			refused, words = at, strings.TrimPrefix(predicate, "failed error: ")
		case said[i].Reason == "SuccessfulCreate" && predicate == "successful" && at.After(made):
			made = at
		}
	}
	if words == "" || refused.Before(after) || !refused.After(made) {
		return ""
	}
	return "its pod cannot be made: " + beginning(words)
}

// lastSaid is the last time at which an event was told of: which of its times are filled in
// depends on who recorded it.
func lastSaid(e *corev1.Event) time.Time {
	last := e.CreationTimestamp.Time
	times := []time.Time{e.FirstTimestamp.Time, e.LastTimestamp.Time, e.EventTime.Time}
	if e.Series != nil {
		times = append(times, e.Series.LastObservedTime.Time)
	}
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// beginning bounds what a condition repeats of the API server's words: the cause stands
// first.
func beginning(words string) string {
	words = strings.Join(strings.Fields(words), " ")
	if len(words) > troubleLength {
		return strings.ToValidUTF8(words[:troubleLength], "") + "…"
	}
	return words
}
