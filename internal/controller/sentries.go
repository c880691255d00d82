package controller

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

const (
	// mostSentries bounds the connections. Who has none is looked at every three
	// seconds, and when Kubernetes tells of its pod.
	mostSentries = 4096
	// relief is how soon a sentry whose connection has ended is followed by another:
	// a server that closes idle connections must not keep us busy.
	relief = time.Second
)

// Sentries hold a connection to each primary, and raise the alarm when it ends, for
// then the process has, or when a question that is asked once a second is not answered:
// the instance is looked at long before Kubernetes says so. A sentry decides nothing: what has happened, the look finds out.
type Sentries struct {
	alarms chan event.GenericEvent
	clock  clock
	mu     sync.Mutex
	posts  map[string]*post // by the UID of the pod
}

// post is one sentry's.
type post struct {
	instance string
	addr     string
	creds    servers.Credentials
	began    time.Time
	ended    bool
	leave    context.CancelFunc
}

// NewSentries has none yet.
func NewSentries() *Sentries {
	return &Sentries{alarms: make(chan event.GenericEvent, 64), posts: map[string]*post{}}
}

// Alarms name the instances to be looked at.
func (s *Sentries) Alarms() <-chan event.GenericEvent { return s.alarms }

// Post has every primary of an instance watched, and nobody else of it.
func (s *Sentries) Post(v *v1alpha1.Valkey, creds servers.Credentials, snap model.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := map[string]bool{}
	for _, shard := range snap.Shards {
		for _, n := range shard.Primaries() {
			keep[n.UID] = true
			s.post(v, creds, snap.Instance, n)
		}
		for _, n := range shard.Nodes {
			// Who has just fallen silent may come back as the primary that it was.
			keep[n.UID] = keep[n.UID] || !n.Server.Answered
		}
	}
	s.dismiss(snap.Instance, keep)
}

// Dismiss ends the sentries of an instance.
func (s *Sentries) Dismiss(instance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dismiss(instance, nil)
}

func (s *Sentries) dismiss(instance string, keep map[string]bool) {
	for uid, p := range s.posts {
		if p.instance == instance && !keep[uid] {
			p.leave()
			delete(s.posts, uid)
		}
	}
}

// post sends a sentry to a primary, unless one is there.
func (s *Sentries) post(v *v1alpha1.Valkey, creds servers.Credentials, instance string, n model.Node) {
	if p := s.posts[n.UID]; p != nil {
		if same := p.addr == n.Address && p.creds == creds; same && (!p.ended || s.clock.since(p.began) < relief) {
			return
		}
		p.leave()
	} else if len(s.posts) >= mostSentries {
		return
	}
	ctx, leave := context.WithCancel(context.Background())
	p := &post{instance: instance, addr: n.Address, creds: creds, began: s.clock.now(), leave: leave}
	s.posts[n.UID] = p
	alarm := event.GenericEvent{Object: &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: v.Namespace, Name: v.Name}}}
	go s.stand(ctx, p, alarm)
}

// stand waits for the end of the connection, or of the answers.
func (s *Sentries) stand(ctx context.Context, p *post, alarm event.GenericEvent) {
	defer p.leave()
	dialer := valkey.Dialer{Username: p.creds.Username, Password: p.creds.Password}
	stood, _ := dialer.Vigil(ctx, p.addr) // the look finds out why
	s.mu.Lock()
	p.ended = true
	s.mu.Unlock()
	if !stood || ctx.Err() != nil {
		return // it was sent away
	}
	select {
	case s.alarms <- alarm:
	case <-ctx.Done():
	}
}
