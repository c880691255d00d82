package controller

import (
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Calm hears of every change of a Service or EndpointSlice that this operator
// can see, and knows for how long there has been none.
type Calm struct {
	mu      sync.Mutex
	last    time.Time
	waiting map[string]time.Time
}

// NewCalm begins as if something had changed just now.
func NewCalm() *Calm { return &Calm{last: time.Now(), waiting: map[string]time.Time{}} }

// Quiet is the time since the last change.
func (c *Calm) Quiet() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.last)
}

// Waited is how long the instance has been held for want of a quiet second.
func (c *Calm) Waited(instance string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, ok := c.waiting[instance]
	if !ok {
		return 0
	}
	return time.Since(since)
}

// Note takes down whether the plan waits for a quiet second.
func (c *Calm) Note(instance string, plan model.Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range plan.Holds {
		if h.Reason == model.ServicesBusy {
			if _, ok := c.waiting[instance]; !ok {
				c.waiting[instance] = time.Now()
			}
			return
		}
	}
	for _, step := range plan.Steps {
		if _, ok := step.(model.Handover); ok {
			return // the fresh look before it asks again
		}
	}
	delete(c.waiting, instance)
}

// Forget drops what is known of an instance.
func (c *Calm) Forget(instance string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, instance)
}

// Handler is for the informers of Services and EndpointSlices.
func (c *Calm) Handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(any, bool) { c.stir() },
		UpdateFunc: func(before, after any) { c.stirIfChanged(before, after) },
		DeleteFunc: func(any) { c.stir() },
	}
}

func (c *Calm) stir() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
}

// stirIfChanged passes over resyncs, which change nothing.
func (c *Calm) stirIfChanged(before, after any) {
	type versioned interface{ GetResourceVersion() string }
	b, okB := before.(versioned)
	a, okA := after.(versioned)
	if okA && okB && a.GetResourceVersion() == b.GetResourceVersion() {
		return
	}
	c.stir()
}
