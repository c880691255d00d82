package observe

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hostKept is how long it is remembered whether a host is lost: Kubernetes itself
// takes most of a minute to say so.
const hostKept = 3 * time.Second

// LostHosts tells which hosts Kubernetes has lost. Only those of silent servers are
// asked for, one by one; see Zones.
type LostHosts struct {
	reader client.Reader
	now    func() time.Time
	mu     sync.Mutex
	known  map[string]host
}

type host struct {
	lost bool
	read time.Time
}

// NewLostHosts reads from the API server itself.
func NewLostHosts(live client.Reader) *LostHosts {
	return &LostHosts{reader: live, now: time.Now, known: map[string]host{}}
}

// Has says that a host has gone, or that Kubernetes has not heard of it for longer
// than a host may be silent. One that says itself that it is not ready lives, and its
// servers may, as while it shuts down. One that cannot be read is not known to be lost.
func (h *LostHosts) Has(ctx context.Context, name string) bool {
	if h == nil || name == "" {
		return false
	}
	h.mu.Lock()
	known, ok := h.known[name]
	h.mu.Unlock()
	if ok && h.now().Sub(known.read) < hostKept {
		return known.lost
	}
	known = host{lost: h.read(ctx, name), read: h.now()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[name] = known
	return known.lost
}

func (h *LostHosts) read(ctx context.Context, name string) bool {
	// The look at the servers may have used up its own time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), zoneTimeout)
	defer cancel()
	node := &corev1.Node{}
	switch err := h.reader.Get(ctx, client.ObjectKey{Name: name}, node); {
	case apierrors.IsNotFound(err):
		return true
	case err != nil:
		return false
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionUnknown
		}
	}
	return false
}
