package observe

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// zoneKept is how long a host's zone is remembered, and how long one that
	// cannot be read is left alone: hosts do not move between zones.
	zoneKept = 10 * time.Minute
	// zoneTimeout bounds the reading of one host.
	zoneTimeout = time.Second
)

// Zones tells in which zones hosts are. Zones are shown, and nothing is decided
// by them, so an operator that may not read Kubernetes nodes does without. The
// few hosts of the instances are read one by one, their metadata alone: a watch
// would bring every host of the Kubernetes cluster into memory, and would wait
// for ever where it is not allowed.
type Zones struct {
	reader client.Reader
	now    func() time.Time
	mu     sync.Mutex
	known  map[string]zone
}

type zone struct {
	name string
	read time.Time
}

// NewZones reads from the API server itself.
func NewZones(live client.Reader) *Zones {
	return &Zones{reader: live, now: time.Now, known: map[string]zone{}}
}

// Of gives a host's zone; empty when it has none or cannot be read.
func (z *Zones) Of(ctx context.Context, host string) string {
	if host == "" {
		return ""
	}
	z.mu.Lock()
	known, ok := z.known[host]
	z.mu.Unlock()
	if ok && z.now().Sub(known.read) < zoneKept {
		return known.name
	}
	known = zone{name: z.read(ctx, host, known.name), read: z.now()}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.known[host] = known
	return known.name
}

// read asks the API server. A host that cannot be read now is where it was.
func (z *Zones) read(ctx context.Context, host, before string) string {
	ctx, cancel := context.WithTimeout(ctx, zoneTimeout)
	defer cancel()
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Node"))
	if z.reader.Get(ctx, client.ObjectKey{Name: host}, meta) != nil {
		return before
	}
	return meta.Labels[corev1.LabelTopologyZone]
}
