package controller

import (
	"maps"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// refusals remembers which step of a shard was refused by somebody else (a
// budget, the API server, the servers), with which holds, and until when it is
// not tried again; or with which error it failed. So the status shows the cause
// and not the next attempt.
type refusals struct {
	clock clock
	mu    sync.Mutex
	last  map[string]map[string]refusal // by instance and shard
}

type refusal struct {
	step  model.Step
	holds []model.Hold
	until time.Time
	err   error
}

// held keeps the holds that a step has met.
func (r *refusals) held(instance, shard string, step model.Step, holds []model.Hold) {
	r.keep(instance, shard, refusal{step: step, holds: holds, until: r.clock.now().Add(holds[0].After)})
}

// failed keeps the error of a step. When it is tried again is the queue's.
func (r *refusals) failed(instance, shard string, step model.Step, err error) {
	r.keep(instance, shard, refusal{step: step, err: err})
}

func (r *refusals) keep(instance, shard string, what refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[string]map[string]refusal{}
	}
	if r.last[instance] == nil {
		r.last[instance] = map[string]refusal{}
	}
	r.last[instance][shard] = what
}

// done drops what is known of a shard's last step.
func (r *refusals) done(instance, shard string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last[instance], shard)
}

func (r *refusals) forget(instance string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, instance)
}

// waits says whether the same step was refused a moment ago.
func (r *refusals) waits(instance, shard string, step model.Step) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.last[instance][shard]
	return ok && last.step.Same(step) && r.clock.now().Before(last.until)
}

// recall tells the planner of the handovers that the servers were not ready for a moment
// ago, so that it does something else meanwhile.
func (r *refusals) recall(snap *model.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, shard := range snap.Shards {
		last := r.last[snap.Instance][shard.Name]
		step, hands := last.step.(model.Handover)
		left := last.until.Sub(r.clock.now())
		if !hands || left <= 0 || last.holds[0].Reason != model.HandoverGate {
			continue // it did not begin because it was another's turn, or failed
		}
		attempt := &snap.Shards[i].Attempt
		attempt.Refused, attempt.Gate = step, last.holds[0]
		attempt.Gate.After = left
	}
}

// show is the plan as people should see it: a step that was refused appears as
// the hold that it met. The error is that of a step that failed and is due again.
func (r *refusals) show(instance string, plan model.Plan) (model.Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shown := model.Plan{Steps: maps.Clone(plan.Steps), Holds: plan.Holds}
	var failed error
	for shard, last := range r.last[instance] {
		step := plan.Steps[shard]
		if step == nil || !last.step.Same(step) {
			continue
		}
		if last.err != nil {
			failed = last.err
			continue
		}
		delete(shown.Steps, shard)
		shown.Holds = append(shown.Holds[:len(shown.Holds):len(shown.Holds)], last.holds...)
	}
	return shown, failed
}
