package render

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	mebi int64 = 1 << 20
	gibi int64 = 1 << 30
)

// sizes follow from the memory that a server may have. All are bytes.
type sizes struct {
	// maxMemory for data; 0 leaves it unbounded.
	maxMemory int64
	// backlog keeps the newest writes for replicas that come back. It counts as
	// used memory once it is full.
	backlog int64
	// bufferHard and bufferSoft bound what waits for one replica. They do not
	// count against maxmemory.
	bufferHard, bufferSoft int64
}

// sizesFor a container. With a memory limit a quarter of it stays free of data,
// for replicas' buffers and for what a snapshot copies while writes go on: a
// server that refuses writes because it is full is better than one that the
// kernel kills.
func sizesFor(r corev1.ResourceRequirements) sizes {
	limit := memoryLimit(r)
	if limit == 0 {
		return sizes{backlog: 64 * mebi, bufferHard: gibi, bufferSoft: gibi / 2}
	}
	hard := max(limit/8, 16*mebi)
	return sizes{
		maxMemory:  limit / 4 * 3,
		backlog:    min(max(limit/16, mebi), 64*mebi),
		bufferHard: hard,
		bufferSoft: hard / 2,
	}
}

func memoryLimit(r corev1.ResourceRequirements) int64 {
	q, ok := r.Limits[corev1.ResourceMemory]
	if !ok {
		return 0
	}
	return q.Value()
}

const (
	// shutdownTimeout is how long, in seconds, a primary that was told to stop
	// waits for its replicas to have everything (shutdown-timeout).
	shutdownTimeout int64 = 10
	// manualFailoverTimeout is how long, in seconds, a primary of a Cluster holds
	// writes back at most while it hands over (cluster-manual-failover-timeout).
	manualFailoverTimeout int64 = 5
	// stopSeconds is how long the preStop step of a pod takes at most while its server is
	// primary: it waits for the operator, then for its own failover, and then for the
	// clients that were there (stop.sh).
	stopSeconds = stopPatience + stopFailover + stopSettle
	// graceMargin is seconds for everything else that stopping takes.
	graceMargin int64 = 10
	// graceMaximum is seconds.
	graceMaximum int64 = 900
	// saveRate is bytes a second that a slow disk writes of a snapshot.
	saveRate = 50 * mebi
	// saveUnknown is seconds for a snapshot of unknown size.
	saveUnknown int64 = 60
)

// gracePeriod is how many seconds a pod may take to stop, its preStop step included.
// Killed earlier, a server would lose the snapshot that it writes while stopping, and with
// it the resynchronisation of a part only. A user's own may be as short as the schema
// allows, 30: the preStop step leaves 9 of them at the very worst, when no operator comes
// and its own failover does not succeed either.
func gracePeriod(s *v1alpha1.ValkeySpec) int64 {
	if s.TerminationGracePeriodSeconds != nil {
		return *s.TerminationGracePeriodSeconds
	}
	wanted := stopSeconds + shutdownTimeout + saveSeconds(s) + graceMargin
	if s.IsCluster() {
		wanted += manualFailoverTimeout
	}
	return min(wanted, graceMaximum)
}

// saveSeconds is how long writing the data while stopping may take.
func saveSeconds(s *v1alpha1.ValkeySpec) int64 {
	if s.PersistenceMode() != v1alpha1.PersistenceRDB {
		return 0 // a log is on disk already but for its last second
	}
	size := memoryLimit(s.Resources)
	if size == 0 && s.Storage != nil {
		size = s.Storage.Size.Value()
	}
	if size == 0 {
		return saveUnknown
	}
	return (size + saveRate - 1) / saveRate
}
