package controller

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// The time between two synchronisations of a kube-proxy that has more to do: a second from
// the end of one to the start of the next (minSyncPeriod), and what one takes, which is
// mostly far below a fifth of a second.
const (
	soonestAgain = time.Second
	latestAgain  = 1200 * time.Millisecond
)

// Calm hears of every change of a Service or EndpointSlice that this operator
// can see, and knows how long ago kube-proxy last had to synchronise for one.
// It follows the rule of kube-proxy's own runner (kubernetes v1.37
// pkg/proxy/runner): the first change is carried out at once, those of the next
// second together at its end. When exactly that is nobody tells: a change that comes about
// then may just have missed it, and is carried out a second later.
type Calm struct {
	clock clock
	mu    sync.Mutex
	// soonest and latest are between which times the newest change is carried out; they
	// may lie ahead.
	soonest, latest time.Time
	waiting         map[string]time.Time
}

// NewCalm begins as if something had changed just now.
func NewCalm() *Calm {
	now := time.Now()
	return &Calm{soonest: now, latest: now, waiting: map[string]time.Time{}}
}

// Quiet is the time since kube-proxy last synchronised; 0 while it is still to.
func (c *Calm) Quiet() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.clock.since(c.latest))
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
	c.Expect()
}

// Expect counts as a change: one that is about to come. Whoever cordons a host evicts its
// pods in the next moment.
func (c *Calm) Expect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := c.clock.now(); {
	case now.Before(c.soonest): // carried out together with what waits already
	case now.Before(c.latest.Add(latestAgain)):
		c.soonest = later(now, c.soonest.Add(soonestAgain))
		c.latest = now.Add(min(latestAgain, c.latest.Add(latestAgain).Sub(now)))
	default:
		c.soonest, c.latest = now, now
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// stirIfChanged passes over resyncs, which change nothing, and over what is only written
// beside the rules of a slice of ours: kube-proxy synchronises when the rules have changed
// (kubernetes v1.37 pkg/proxy/endpointslicecache.go).
func (c *Calm) stirIfChanged(before, after any) {
	b, okB := before.(metav1.Object)
	a, okA := after.(metav1.Object)
	if okA && okB && a.GetResourceVersion() == b.GetResourceVersion() || sameRules(before, after) {
		return
	}
	c.stir(after)
}

// sameRules says that two states of a slice lead to the same servers. Of those that are not
// ours the operator does not keep where they lead; whoever writes them does so for that alone.
func sameRules(before, after any) bool {
	b, okB := before.(*discoveryv1.EndpointSlice)
	a, okA := after.(*discoveryv1.EndpointSlice)
	return okA && okB && a.Labels[discoveryv1.LabelManagedBy] == v1alpha1.ManagedBy &&
		equality.Semantic.DeepEqual(b.Labels, a.Labels) && equality.Semantic.DeepEqual(b.Endpoints, a.Endpoints) &&
		equality.Semantic.DeepEqual(b.Ports, a.Ports)
}
