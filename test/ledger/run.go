package ledger

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/pods"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// Run is one run, from the first write to the report.
type Run struct {
	config   Config
	settings client.Settings
	keys     history.Keys
	history  *history.History
	start    time.Time // the clock's zero
	live     live
	stalls   stalls

	stopWriting context.CancelFunc
	written     chan struct{} // closed when all writers have stopped
	watched     chan struct{} // closed when stalls may be read
	stopPods    context.CancelFunc
	tracker     *pods.Tracker // nil without Kubernetes
	prober      *pods.Prober
	view        view                // of a cluster, when it was read back
	met         []client.ServerInfo // by number, when the report was made

	mu       sync.Mutex
	marks    []pods.Mark
	notes    []pods.Mark
	problems []string

	stopOnce sync.Once
	stopped  chan struct{} // closed when report is there
	report   report.Report
}

// Start checks the configuration, lists the pods if there is a Kubernetes, and
// starts the writers. They run until ctx ends, Stop is called or MaxRecords
// writes are acknowledged. The server need not be there yet.
func Start(ctx context.Context, config Config) (*Run, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.Prefix == "" {
		config.Prefix = newPrefix()
	}
	r := &Run{
		config: config, start: time.Now(),
		keys:    history.Keys{Prefix: config.Prefix, ValueSize: config.ValueSize, Slotted: config.Cluster},
		written: make(chan struct{}), watched: make(chan struct{}), stopped: make(chan struct{}),
		settings: client.Settings{
			Addr: config.Addr, Cluster: config.Cluster, Sentinel: config.Sentinel, Credentials: config.Credentials,
			DialTimeout: config.DialTimeout, Timeout: config.Timeout,
			Registry: client.NewRegistry(),
		},
	}
	r.live.lastAck.Store(-1)
	r.live.cluster = config.Cluster
	r.live.server.Store(uint32(history.Unattributed))
	if err := r.followPods(); err != nil {
		return nil, err
	}
	if err := r.startWriters(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Run) now() int64 { return int64(time.Since(r.start)) }

func (r *Run) followPods() error {
	if r.config.Kube == nil {
		return nil
	}
	k := *r.config.Kube
	api, err := pods.Connect(k.Kubeconfig)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stopPods = cancel
	r.tracker = pods.NewTracker()
	failed := func(err error) { r.live.podTrouble(err) }
	if err := r.tracker.Watch(ctx, api.Pods(k.Namespace), k.Selector, failed); err != nil {
		cancel()
		return err
	}
	r.prober = &pods.Prober{
		Tracker: r.tracker, Credentials: r.config.Credentials, Port: k.Port,
		Acknowledging: r.isAcknowledging,
	}
	go r.prober.Run(ctx)
	return nil
}

func (r *Run) startWriters(ctx context.Context) error {
	ctx, r.stopWriting = context.WithCancel(ctx)
	r.history = &history.History{}
	sessions := make([]client.Session, r.config.Writers)
	for i := range sessions {
		library, kind := r.config.writer(i)
		open := r.settings.Open
		if kind == client.SentinelAware {
			open = r.settings.OpenAware
		}
		session, err := open(library)
		if err != nil {
			return err
		}
		sessions[i] = session
		r.history.Writers = append(r.history.Writers, &history.Writer{ID: i, Library: session.Library(), Kind: kind})
	}
	var all sync.WaitGroup
	for i, session := range sessions {
		all.Go(func() { r.write(ctx, r.history.Writers[i], session) })
	}
	go func() {
		all.Wait()
		for _, w := range r.history.Writers {
			r.history.End = max(r.history.End, w.Stopped)
		}
		close(r.written)
	}()
	go r.live.sample(r.written)
	go r.stalls.watch(r.now, r.written, r.watched)
	return nil
}

// Written is closed when all writers have stopped, for whatever reason.
func (r *Run) Written() <-chan struct{} { return r.written }

// Stopped is closed when the report is there.
func (r *Run) Stopped() <-chan struct{} { return r.stopped }

// Mark notes a moment that somebody outside names, such as "image change". A
// roll begins with it (see pods.Rolls); with note set it only shows.
func (r *Run) Mark(name string, note bool) {
	m := pods.Mark{At: time.Now(), Name: name}
	r.mu.Lock()
	defer r.mu.Unlock()
	if note {
		r.notes = append(r.notes, m)
	} else {
		r.marks = append(r.marks, m)
	}
}

// Describe sets what the report says about the run; empty texts change nothing.
func (r *Run) Describe(topology, strategy, fromImage, toImage string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, set := range []struct {
		to   *string
		text string
	}{
		{&r.config.Topology, topology}, {&r.config.Strategy, strategy},
		{&r.config.FromImage, fromImage}, {&r.config.ToImage, toImage},
	} {
		if set.text != "" {
			*set.to = set.text
		}
	}
}

// Stop stops the writers, reads everything back, and returns the report. It may
// be called by many at a time and again: all get the same report. If ctx ends
// first, only the waiting ends; the work goes on.
func (r *Run) Stop(ctx context.Context) (report.Report, error) {
	r.stopOnce.Do(func() { go r.finish() })
	select {
	case <-r.stopped:
		return r.report, nil
	case <-ctx.Done():
		return report.Report{}, fmt.Errorf("wait for the report: %w", ctx.Err())
	}
}

// Report returns the report, and whether it is there.
func (r *Run) Report() (report.Report, bool) {
	select {
	case <-r.stopped:
		return r.report, true
	default:
		return report.Report{}, false
	}
}

func (r *Run) finish() {
	defer close(r.stopped)
	r.stopWriting()
	<-r.written
	<-r.watched
	r.live.state.Store("verifying")
	nodes := r.readBack(context.Background())
	if r.stopPods != nil {
		r.stopPods()
	}
	r.report = r.assemble(nodes)
	r.live.state.Store("done")
}

// acknowledging is the run id of the server that acknowledged last.
func (r *Run) acknowledging() string {
	servers := r.settings.Registry.Servers()
	if s := int(r.live.server.Load()); s < len(servers) {
		return servers[s].RunID
	}
	return ""
}

// isAcknowledging reports whether a server is the one that acknowledged last, in
// a cluster whether it is one of those that have acknowledged.
func (r *Run) isAcknowledging(runID string) bool {
	if r.config.Cluster {
		return r.settings.Registry.HasAcknowledged(runID)
	}
	return runID == r.acknowledging()
}

func (r *Run) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// live is what /progress tells while the writers run. It is never used for the
// report.
type live struct {
	cluster       bool
	acked, failed atomic.Int64
	lastAck       atomic.Int64 // -1 before the first
	longest       atomic.Int64
	server        atomic.Uint32
	perSecond     atomic.Int64
	state         atomic.Value // string

	mu     sync.Mutex
	errors map[string]int
	pods   string
	asked  map[int]int64 // by writer: since when it waits for an acknowledgement
}

// asks notes that a writer wants to write. What it has wanted before counts.
func (l *live) asks(writer int, at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, waits := l.asked[writer]; !waits {
		if l.asked == nil {
			l.asked = map[int]int64{}
		}
		l.asked[writer] = at
	}
}

func (l *live) answered(writer int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.asked, writer)
}

// waiting is how long the writer has waited that has waited longest.
func (l *live) waiting(now int64) (longest int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, since := range l.asked {
		longest = max(longest, now-since)
	}
	return longest
}

func (l *live) ack(at int64, server history.Server) {
	l.acked.Add(1)
	l.server.Store(uint32(server))
	last := l.lastAck.Swap(at)
	if last >= 0 && !l.cluster {
		l.longer(at - last)
	}
}

// waited notes how long one writer had waited. In a cluster that is what can be
// told at once: in which shards nobody could write, only the history tells.
func (l *live) waited(gap int64) { l.longer(gap) }

func (l *live) longer(gap int64) {
	for {
		longest := l.longest.Load()
		if gap <= longest || l.longest.CompareAndSwap(longest, gap) {
			return
		}
	}
}

func (l *live) fail(kind string) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.errors == nil {
		l.errors = map[string]int{}
	}
	l.errors[kind]++
}

// podTrouble keeps the latest trouble of the pods' watch, which goes on.
func (l *live) podTrouble(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pods = err.Error()
}

// sample measures the rate once a second.
func (l *live) sample(until <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := int64(0)
	for {
		select {
		case <-until:
			return
		case <-tick.C:
			now := l.acked.Load()
			l.perSecond.Store(now - last)
			last = now
		}
	}
}
