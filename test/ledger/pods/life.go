// Package pods follows the data pods while the ledger writes: when each was
// deleted, gone, created, Ready and synced. It takes its times from the pods,
// from the moment a change was seen, and from the servers themselves, and
// nothing from the operator that causes the changes.
package pods

import (
	"cmp"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Life is what was seen of one pod, from its creation to its end. A time is
// zero if that has not been seen.
type Life struct {
	Name, UID, Host, IP, Image string
	// Set is the StatefulSet that it belongs to, "" if it belongs to none.
	Set string
	// Created is the pod's own creationTimestamp, or, for a pod that appeared
	// while we were watching, the moment it was seen.
	Created time.Time
	// Deletion is when its deletion was requested.
	Deletion time.Time
	// Gone is when it no longer existed.
	Gone time.Time
	// Ready is when it was Ready first.
	Ready time.Time
	// Synced is when its server was seen to have caught up with the primary, or
	// to acknowledge writes as primary itself.
	Synced time.Time
	// Restarts counts the restarts of its containers.
	Restarts int
	// Appeared is set if the pod was created while we were watching.
	Appeared bool
}

// Event is one thing that happened to a pod.
type Event struct {
	At   time.Time
	Kind string // created, deletion, gone, ready, synced, restart
	Pod  string
}

// Tracker keeps the lives of all pods. It is safe for concurrent use.
type Tracker struct {
	mu     sync.Mutex
	lives  map[string]*Life // by UID
	events []Event
	listed bool
}

// NewTracker returns a tracker that has seen nothing.
func NewTracker() *Tracker { return &Tracker{lives: map[string]*Life{}} }

// stampSlack is how far a moment may lie after the pod's own timestamp for the
// same thing before the timestamp, which has whole seconds only, is the better
// of the two: then the change was not seen when it happened.
const stampSlack = 3 * time.Second

// moment chooses between the time at which a change was seen and the pod's own
// timestamp, which is cut to whole seconds.
func moment(seen, stamp time.Time) time.Time {
	if !stamp.IsZero() && seen.Sub(stamp) > stampSlack {
		return stamp
	}
	return seen
}

// See takes in a pod's present state, seen at a time.
func (t *Tracker) See(pod *corev1.Pod, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	life := t.life(pod, at)
	life.Host, life.IP = pod.Spec.NodeName, pod.Status.PodIP
	if pod.DeletionTimestamp != nil && life.Deletion.IsZero() {
		life.Deletion = moment(at, deletionRequest(pod))
		t.event(life.Deletion, "deletion", life)
	}
	if stamp, ready := readySince(pod); ready && life.Ready.IsZero() {
		life.Ready = stamp
		if life.Appeared {
			life.Ready = moment(at, stamp)
			t.event(life.Ready, "ready", life)
		}
	}
	if n := restarts(pod); n > life.Restarts {
		if t.listed {
			t.event(at, "restart", life)
		}
		life.Restarts = n
	}
}

// SeeGone notes that a pod no longer exists.
func (t *Tracker) SeeGone(uid string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	life, ok := t.lives[uid]
	if !ok || !life.Gone.IsZero() {
		return
	}
	if life.Deletion.IsZero() { // removed at once, by force
		life.Deletion = at
		t.event(at, "deletion", life)
	}
	life.Gone = at
	t.event(at, "gone", life)
}

// SeeList takes in all pods that exist at a time: those that it does not name
// are gone. It is how a watch starts, and how it goes on after it broke off.
func (t *Tracker) SeeList(list []corev1.Pod, at time.Time) {
	present := map[string]bool{}
	for i := range list {
		present[string(list[i].UID)] = true
		t.See(&list[i], at)
	}
	for _, life := range t.Lives() {
		if !present[life.UID] {
			t.SeeGone(life.UID, at)
		}
	}
	t.mu.Lock()
	t.listed = true
	t.mu.Unlock()
}

// SeeSynced notes that a pod's server has caught up.
func (t *Tracker) SeeSynced(uid string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	life, ok := t.lives[uid]
	if !ok || !life.Synced.IsZero() {
		return
	}
	life.Synced = at
	if life.Appeared {
		t.event(at, "synced", life)
	}
}

// Lives returns copies of all lives, oldest first.
func (t *Tracker) Lives() []Life {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Life, 0, len(t.lives))
	for _, life := range t.lives {
		out = append(out, *life)
	}
	slices.SortFunc(out, func(a, b Life) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return out
}

// SetOf returns the StatefulSet of a pod, "" if that is not known.
func (t *Tracker) SetOf(pod string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, life := range t.lives {
		if life.Name == pod && life.Set != "" {
			return life.Set
		}
	}
	return ""
}

// Events returns everything that happened, in order.
func (t *Tracker) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := slices.Clone(t.events)
	slices.SortStableFunc(out, func(a, b Event) int { return a.At.Compare(b.At) })
	return out
}

func (t *Tracker) life(pod *corev1.Pod, at time.Time) *Life {
	uid := string(pod.UID)
	life, ok := t.lives[uid]
	if ok {
		return life
	}
	life = &Life{Name: pod.Name, UID: uid, Created: pod.CreationTimestamp.Time, Appeared: t.listed}
	if len(pod.Spec.Containers) > 0 {
		life.Image = pod.Spec.Containers[0].Image
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "StatefulSet" {
		life.Set = owner.Name
	}
	t.lives[uid] = life
	if life.Appeared {
		life.Created = moment(at, life.Created)
		t.event(life.Created, "created", life)
	}
	return life
}

func (t *Tracker) event(at time.Time, kind string, life *Life) {
	t.events = append(t.events, Event{At: at, Kind: kind, Pod: life.Name})
}

// deletionRequest is when a pod's deletion was asked for, by its own stamps:
// deletionTimestamp lies the grace period after that.
func deletionRequest(pod *corev1.Pod) time.Time {
	at := pod.DeletionTimestamp.Time
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		at = at.Add(-time.Duration(*grace) * time.Second)
	}
	return at
}

func readySince(pod *corev1.Pod) (time.Time, bool) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time, true
		}
	}
	return time.Time{}, false
}

func restarts(pod *corev1.Pod) int {
	n := 0
	for _, c := range pod.Status.ContainerStatuses {
		n += int(c.RestartCount)
	}
	return n
}
