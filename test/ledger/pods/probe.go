package pods

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
)

// Prober asks the servers in the pods, directly at the pods' addresses, who they
// are and whether they have caught up with the primary.
type Prober struct {
	Tracker     *Tracker
	Credentials client.Credentials
	// Port is the servers' port, 6379 if 0.
	Port int
	// Acknowledging reports whether the server with a run id acknowledges writes.
	Acknowledging func(runID string) bool

	mu    sync.Mutex
	names map[string]string // run id -> pod
	seats map[string]*seat  // by pod UID; used by Run's goroutine only
}

// seat is the connection to one pod's server.
type seat struct {
	uid, name, addr string
	synced          bool
	wire            *client.Wire
	runID           string
	retry           time.Time
	fields          map[string]string // the latest INFO replication
}

const (
	probeTimeout = 500 * time.Millisecond
	// probeBusy is the pause while a pod has to catch up, probeIdle otherwise:
	// the synced times are that exact.
	probeBusy = 50 * time.Millisecond
	probeIdle = time.Second
	// probeRetry is the pause after a server did not answer.
	probeRetry = 200 * time.Millisecond
)

// PodOf returns the name of the pod whose server has, or had, a run id; "" if
// that is not known.
func (p *Prober) PodOf(runID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names[runID]
}

// PortOrDefault is the servers' port.
func (p *Prober) PortOrDefault() int {
	if p.Port == 0 {
		return 6379
	}
	return p.Port
}

// Run probes until ctx ends.
func (p *Prober) Run(ctx context.Context) {
	p.seats = map[string]*seat{}
	for {
		pause := probeIdle
		if p.round(ctx) {
			pause = probeBusy
		}
		select {
		case <-ctx.Done():
			for _, s := range p.seats {
				s.leave()
			}
			return
		case <-time.After(pause):
		}
	}
}

// round asks every server once, and reports whether one has still to catch up.
func (p *Prober) round(ctx context.Context) bool {
	lives := p.Tracker.Lives()
	p.seat(lives)
	for _, s := range p.seats {
		p.identify(ctx, s)
	}
	// Primaries first: a replica has caught up if it then has what the primary
	// had before.
	primaries := p.ask(true)
	replicas := p.ask(false)
	for _, s := range primaries {
		if p.Acknowledging(s.runID) {
			p.caughtUp(s)
		}
	}
	for _, s := range replicas {
		if follows(s.fields, primaries) {
			p.caughtUp(s)
		}
	}
	return busy(lives)
}

// busy reports whether a pod is on its way out or has still to catch up.
func busy(lives []Life) bool {
	for _, life := range lives {
		if life.Gone.IsZero() && (life.Synced.IsZero() || !life.Deletion.IsZero()) {
			return true
		}
	}
	return false
}

// seat makes the seats fit the pods that exist and are to stay: the address of
// a pod that goes may swallow our questions, and the others' times with them.
func (p *Prober) seat(lives []Life) {
	for _, life := range lives {
		s, ok := p.seats[life.UID]
		stays := life.Gone.IsZero() && life.Deletion.IsZero()
		switch {
		case !stays && ok:
			s.leave()
			delete(p.seats, life.UID)
		case stays && life.IP != "" && !ok:
			addr := net.JoinHostPort(life.IP, strconv.Itoa(p.PortOrDefault()))
			p.seats[life.UID] = &seat{uid: life.UID, name: life.Name, addr: addr, synced: !life.Synced.IsZero()}
		}
	}
}

// identify connects to a server if need be and learns its run id.
func (p *Prober) identify(ctx context.Context, s *seat) {
	if s.wire != nil || time.Now().Before(s.retry) {
		return
	}
	s.retry = time.Now().Add(probeRetry)
	wire, err := client.Connect(ctx, s.addr, p.Credentials, probeTimeout)
	if err != nil {
		return
	}
	info, err := wire.Identify(false)
	if err != nil {
		_ = wire.Close()
		return
	}
	s.wire, s.runID = wire, info.RunID
	p.Met(info.RunID, s.name)
}

// Met notes that the server with a run id is in a pod.
func (p *Prober) Met(runID, pod string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names == nil {
		p.names = map[string]string{}
	}
	p.names[runID] = pod
}

// ask reads INFO replication of the servers that were primaries when last
// asked, or of all others, and returns those that are what was wanted.
func (p *Prober) ask(primary bool) []*seat {
	var out []*seat
	for _, s := range p.seats {
		was := s.fields["role"] == "master"
		if s.wire == nil || was != primary {
			continue
		}
		fields, err := s.wire.Info("replication")
		if err != nil {
			s.leave()
			continue
		}
		s.fields = fields
		if (fields["role"] == "master") == primary {
			out = append(out, s)
		}
	}
	return out
}

func (p *Prober) caughtUp(s *seat) {
	if !s.synced {
		s.synced = true
		p.Tracker.SeeSynced(s.uid, time.Now())
	}
}

func (s *seat) leave() {
	if s.wire != nil {
		_ = s.wire.Close()
	}
	s.wire, s.fields = nil, nil
}

// follows reports whether a replica's own answer shows it caught up with one of
// the primaries, whose answers are older: link up, no full synchronisation under
// way, the same history, and at least the primary's offset of then. Field names
// as servers 8.1 and 9.1 have them.
func follows(replica map[string]string, primaries []*seat) bool {
	if replica["role"] != "slave" || replica["master_link_status"] != "up" || replica["master_sync_in_progress"] != "0" {
		return false
	}
	have, err := strconv.ParseInt(replica["slave_repl_offset"], 10, 64)
	if err != nil {
		return false
	}
	for _, primary := range primaries {
		want, err := strconv.ParseInt(primary.fields["master_repl_offset"], 10, 64)
		if err == nil && replica["master_replid"] == primary.fields["master_replid"] && have >= want {
			return true
		}
	}
	return false
}
