package observe

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// askTimeout bounds the whole look at one server: a silent one makes a look
// late, and what comes later is for the next look.
const askTimeout = 1500 * time.Millisecond

// partingTimeout bounds it for a pod on its way out, or whose process has ended
// by Kubernetes' word: its address may vanish at any moment, and a vanished
// address does not refuse, it swallows. Nobody else's turn waits for that. So it is
// for one that is known to be silent, most of the time (silence.go).
const partingTimeout = 250 * time.Millisecond

// round is one look at all servers of an instance.
type round struct {
	instance string
	creds    servers.Credentials
	// cluster: they are members of one, or are to be.
	cluster bool
	// elects: the operator itself may find a silent primary lost.
	elects bool
	// aliases are the names that they may call each other.
	aliases aliases
	// snapshots are what they write to their volumes by themselves.
	snapshots snapshots
}

// askAll asks every server at once and fills in what each says.
func (o Observer) askAll(ctx context.Context, r round, nodes []*model.Node) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, n := range nodes {
		if n.UID == "" || n.Address == "" {
			continue
		}
		wg.Go(func() {
			asked, patient := o.Silence.ask(n.UID)
			ctx, cancel := context.WithTimeout(ctx, patience(n.Dead, n.Phase, patient))
			defer cancel()
			heard := o.ask(ctx, r, n)
			n.SilentFor = o.Silence.note(r.instance, n.UID, heard, asked)
		})
	}
	wg.Wait()
	if !r.cluster && !r.elects {
		return
	}
	for _, n := range nodes {
		n.HostLost = !n.Server.Answered && o.LostHosts.Has(ctx, n.Host)
	}
}

// patience is how long one server is waited for.
func patience(dead bool, phase model.PodPhase, patient bool) time.Duration {
	if dead || phase == model.PodTerminating || !patient {
		return partingTimeout
	}
	return askTimeout
}

// ask fills in one node's Server, and says whether anything was heard of it. A
// server that answers, if only to refuse, is not dead, whatever Kubernetes says,
// and is not silent either: one that runs a script for long says so.
func (o Observer) ask(ctx context.Context, r round, n *model.Node) (heard bool) {
	server, err := o.server(ctx, r, n)
	switch {
	case err == nil:
		r.snapshots.judge(&server)
		o.TornLogs.Note(r.instance, n.UID, &server)
		n.Server, n.Dead = server, false
		return true
	case errors.Is(err, valkey.ErrRefused):
		o.Servers.Drop(n.UID)
		n.Refuses, n.Dead = true, n.Dead || n.Phase == model.PodTerminating
	case valkey.Answered(err):
		o.Servers.Drop(n.UID)
		n.Dead, n.Trouble = false, "its server answers the operator with an error: "+err.Error()
		return true
	default:
		o.Servers.Drop(n.UID)
	}
	return false
}

func (o Observer) server(ctx context.Context, r round, n *model.Node) (model.Server, error) {
	conn, err := o.Servers.Get(ctx, r.instance, n.UID, n.Address, r.creds)
	if err != nil {
		return model.Server{}, err
	}
	if r.cluster {
		return o.clusterServer(ctx, conn, n.Draining)
	}
	info, err := conn.Info(ctx)
	if err != nil {
		return model.Server{}, err
	}
	server := fromInfo(info)
	r.aliases.translate(&server)
	if n.Draining { // the only time that anybody asks for them
		clients, err := conn.Clients(ctx, v1alpha1.OwnUsers()...)
		if err != nil {
			return model.Server{}, err
		}
		server.Clients = len(clients)
	}
	return server, nil
}

// fromInfo translates a server's words.
func fromInfo(info valkey.Info) model.Server {
	s := model.Server{
		Answered: true,
		RunID:    info.RunID,
		Version:  info.Version,
		Uptime:   time.Duration(info.UptimeSeconds) * time.Second,
		Loading:  info.Loading || info.AsyncLoading,
		Keys:     info.Keys,
		ReplID:   info.ReplID,
		ReplID2:  info.ReplID2,
		Offset:   info.Offset,
		Offset2:  info.SecondReplOffset,

		FailingOver: info.Failover != valkey.FailoverNone,
		PausedFor:   info.PausedFor,
		Rewriting:   info.AOFRewriteInProgress,
		Rewrites:    info.AOFRewrites,
		Unsaved:     unsaved(info),
	}
	switch info.Role {
	case valkey.RolePrimary:
		s.Role = model.RolePrimary
		s.Acked = acked(info.Replicas)
	case valkey.RoleReplica:
		s.Role = model.RoleReplica
		s.Follows = net.JoinHostPort(info.PrimaryHost, strconv.Itoa(info.PrimaryPort))
		s.LinkUp = info.LinkUp
		s.Syncing = info.SyncInProgress
		s.LinkDown = linkDown(info)
		s.LastIO = time.Duration(max(0, info.LastIOSeconds)) * time.Second
		s.Priority = info.ReplicaPriority
	case valkey.RoleUnknown:
	}
	return s
}

// acked is how far the online replicas say they have come. One that came back
// may be listed twice, until the server notices that its old connection is
// gone; the address may even have been another replica's. The older offset
// counts: to wait is safe.
func acked(lines []valkey.ReplicaLine) map[string]int64 {
	out := map[string]int64{}
	for _, r := range lines {
		if r.State != valkey.ReplicaOnline {
			continue
		}
		addr := net.JoinHostPort(r.Host, strconv.Itoa(r.Port))
		if offset, twice := out[addr]; !twice || r.Offset < offset {
			out[addr] = r.Offset
		}
	}
	return out
}

// linkDown is how long the link has been down; a link that never stood counts
// as down for as long as the process has run.
func linkDown(info valkey.Info) time.Duration {
	if info.LinkUp {
		return 0
	}
	if info.LinkDownSeconds < 0 {
		return time.Duration(info.UptimeSeconds) * time.Second
	}
	return time.Duration(info.LinkDownSeconds) * time.Second
}
