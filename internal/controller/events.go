package controller

import (
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/model"
)

// Events tells the story of an instance as Kubernetes events: every step that
// changed something, and every hold that lasts, once.
type Events struct {
	Recorder events.EventRecorder
	clock    clock
	mu       sync.Mutex
	held     map[string]holdNews
}

// Done tells of a step. Publications and drains are too many and too small.
func (e *Events) Done(v *v1alpha1.Valkey, step model.Step) {
	var reason, action string
	switch s := step.(type) {
	case model.Promote:
		reason, action = "Promoted", "Promote"
	case model.Follow:
		reason, action = "Following", "Follow"
	case model.Scale:
		reason, action = "Scaled", "Scale"
	case model.Restart:
		reason, action = "Restarting", "Restart"
	case model.Drain:
		if !s.Start {
			return
		}
		reason, action = "Draining", "Drain"
	case model.Publish, model.Handover:
		return // a handover has an event of its own
	}
	e.Recorder.Eventf(v, nil, corev1.EventTypeNormal, reason, action, "%s", note(step.String()))
}

// newsAfter is how long a hold has to last to be news: most are a matter of
// moments in every rollout.
const newsAfter = 5 * time.Second

// holdNews is the first hold of an instance, since when, and whether it has been
// told.
type holdNews struct {
	what  string
	since time.Time
	told  bool
}

// Held tells of the first hold, once, when it lasts.
func (e *Events) Held(v *v1alpha1.Valkey, plan model.Plan) {
	key := v.Namespace + "/" + v.Name
	now := ""
	if len(plan.Holds) > 0 && plan.Steps[v.Name] == nil && newsworthy(plan.Holds[0].Reason) {
		now = fmt.Sprintf("%s %s", plan.Holds[0].Reason, plan.Holds[0].Node)
	}
	if e.news(key, now) {
		h := plan.Holds[0]
		e.Recorder.Eventf(v, nil, corev1.EventTypeWarning, string(h.Reason), "Hold", "%s", note(h.String()))
	}
}

func (e *Events) news(key, now string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held == nil {
		e.held = map[string]holdNews{}
	}
	was := e.held[key]
	if was.what != now {
		e.held[key] = holdNews{what: now, since: e.clock.now()}
		return false
	}
	if now == "" || was.told || e.clock.since(was.since) < newsAfter {
		return false
	}
	was.told = true
	e.held[key] = was
	return true
}

func newsworthy(r model.Reason) bool {
	switch r {
	case model.ServicesBusy, model.RevisionUnknown, model.PodStarting, model.ClientsLeaving:
		return false
	default:
		return true
	}
}

// HandedOver tells how a handover ended.
func (e *Events) HandedOver(v *v1alpha1.Valkey, h act.Handover, err error) {
	if err != nil {
		e.Recorder.Eventf(v, nil, corev1.EventTypeWarning, "HandoverFailed", "Handover", "%s", note(err.Error()))
		return
	}
	e.Recorder.Eventf(v, nil, corev1.EventTypeNormal, "HandedOver", "Handover",
		"%s handed over to %s within %s; %d clients were sent on", h.From, h.To, h.Result.Switch, h.Drained.Killed)
}

// Forget drops what is known of an instance.
func (e *Events) Forget(instance string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.held, instance)
}

// note fits a text into an event, whose note may have 1,024 bytes (kubernetes
// v1.37 pkg/apis/core/validation/events.go). No character is cut in half.
func note(text string) string {
	const most = 1000
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
