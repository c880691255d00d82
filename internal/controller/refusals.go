package controller

import (
	"maps"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// refusals remembers which step of an instance was refused by somebody else (a
// budget, the API server) and until when it is not tried again, so that the
// status shows the cause and not the attempt.
type refusals struct {
	mu   sync.Mutex
	last map[string]refusal
}

type refusal struct {
	step  model.Step
	holds []model.Hold
	until time.Time
}

func (r *refusals) keep(instance string, step model.Step, holds []model.Hold) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[string]refusal{}
	}
	r.last[instance] = refusal{step: step, holds: holds, until: time.Now().Add(holds[0].After)}
}

func (r *refusals) clear(instance string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, instance)
}

// waits says whether the same step was refused a moment ago.
func (r *refusals) waits(instance string, step model.Step) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.last[instance]
	return ok && last.step.Same(step) && time.Now().Before(last.until)
}

// show is the plan as people should see it: a step that was refused appears as
// the hold that it met.
func (r *refusals) show(instance string, plan model.Plan) model.Plan {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.last[instance]
	if !ok {
		return plan
	}
	shown := model.Plan{Steps: maps.Clone(plan.Steps), Holds: plan.Holds}
	for shard, step := range plan.Steps {
		if last.step.Same(step) {
			delete(shown.Steps, shard)
			shown.Holds = append(shown.Holds[:len(shown.Holds):len(shown.Holds)], last.holds...)
		}
	}
	return shown
}
