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

// done are the events of steps, by kind. Publications, ranks, and slots that go key by
// key are too many and too small, and a handover has an event of its own.
var done = map[string]struct{ reason, action string }{
	"promote":         {"Promoted", "Promote"},
	"follow":          {"Following", "Follow"},
	"scale":           {"Scaled", "Scale"},
	"restart":         {"Restarting", "Restart"},
	"drain":           {"Draining", "Drain"},
	"meet":            {"Met", "Meet"},
	"add-slots":       {"SlotsAdded", "AddSlots"},
	"release":         {"Released", "Release"},
	"forget":          {"Forgotten", "Forget"},
	"move-slots":      {"MovingSlots", "MoveSlots"},
	"cancel-moves":    {"MovesCancelled", "CancelMoves"},
	"watch-primary":   {"SentinelTold", "WatchPrimary"},
	"set-watch":       {"SentinelTold", "SetWatch"},
	"reset-watch":     {"SentinelReset", "ResetWatch"},
	"scale-sentinels": {"ScaledSentinels", "ScaleSentinels"},
}

// Done tells of a step of a shard.
func (e *Events) Done(v *v1alpha1.Valkey, shard string, step model.Step) {
	if s, ok := step.(model.Drain); ok && !s.Start {
		return
	}
	if s, ok := step.(model.MoveSlots); ok && !s.Atomic {
		return
	}
	if s, ok := step.(model.Promote); ok && s.Lost != "" {
		e.Recorder.Eventf(v, nil, corev1.EventTypeWarning, "FailedOver", "Promote", "%s",
			note(fmt.Sprintf("%s%s was lost, and %s is primary in its place: %s", of(v, shard), s.Lost, s.Node.Name, s.Why)))
		return
	}
	event, told := done[step.Kind()]
	if !told {
		return
	}
	e.Recorder.Eventf(v, nil, corev1.EventTypeNormal, event.reason, event.action, "%s", note(of(v, shard)+step.String()))
}

// of names the shard, where there are several.
func of(v *v1alpha1.Valkey, shard string) string {
	if shard == v.Name || shard == "" {
		return ""
	}
	return shard + ": "
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
	h, held := firstNews(plan)
	if held {
		now = fmt.Sprintf("%s %s %s", h.Reason, h.Shard, h.Node)
	}
	if e.news(key, now) {
		e.Recorder.Eventf(v, nil, corev1.EventTypeWarning, string(h.Reason), "Hold", "%s", note(of(v, h.Shard)+h.String()))
	}
}

// firstNews is the first hold that people want to hear of, in a shard in which
// nothing else is done.
func firstNews(plan model.Plan) (model.Hold, bool) {
	for _, h := range plan.Holds {
		if plan.Steps[h.Shard] == nil && newsworthy(h.Reason) {
			return h, true
		}
	}
	return model.Hold{}, false
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
	case model.ServicesBusy, model.RevisionUnknown, model.PodStarting, model.ClientsLeaving,
		model.OtherShards, model.RolloutFirst, model.SlotsMoving, model.Joining:
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
	if v.Spec.IsCluster() {
		e.Recorder.Eventf(v, nil, corev1.EventTypeNormal, "HandedOver", "Handover",
			"%s handed over to %s within %s, and gave up writes within %s", h.From, h.To, h.Result.Switch, h.Result.Demoted)
		return
	}
	if s := h.Sentinel; s != nil {
		e.Recorder.Eventf(v, nil, corev1.EventTypeNormal, "HandedOver", "Handover",
			"%s handed over to %s within %s (%s), and %d Sentinels named it after %s; %d clients were sent on", h.From, h.To, h.Result.Switch,
			s.Way, s.Agreeing, s.Agreed, h.Drained.Killed)
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
