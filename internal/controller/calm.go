package controller

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Calm hears of every change of a Service or EndpointSlice that this operator
// can see, and knows for how long there has been none.
type Calm struct {
	clock   clock
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
	return c.clock.since(c.last)
}

// Waited is how long the instance has been held for want of a quiet second.
func (c *Calm) Waited(instance string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, ok := c.waiting[instance]
	if !ok {
		return 0
	}
	return c.clock.since(since)
}

// Note takes down whether the plan waits for a quiet second.
func (c *Calm) Note(instance string, plan model.Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range plan.Holds {
		if h.Reason == model.ServicesBusy {
			if _, ok := c.waiting[instance]; !ok {
				c.waiting[instance] = c.clock.now()
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
		AddFunc:    func(obj any, _ bool) { c.stir(obj) },
		UpdateFunc: func(before, after any) { c.stirIfChanged(before, after) },
		DeleteFunc: func(obj any) { c.stir(obj) },
	}
}

// stir passes over what kube-proxy does not listen to: slices of headless
// Services (kubernetes v1.37 cmd/kube-proxy/app/server.go).
func (c *Calm) stir(obj any) {
	if o, ok := obj.(metav1.Object); ok {
		if _, headless := o.GetLabels()[corev1.IsHeadlessService]; headless {
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = c.clock.now()
}

// stirIfChanged passes over resyncs, which change nothing.
func (c *Calm) stirIfChanged(before, after any) {
	b, okB := before.(metav1.Object)
	a, okA := after.(metav1.Object)
	if okA && okB && a.GetResourceVersion() == b.GetResourceVersion() {
		return
	}
	c.stir(after)
}
