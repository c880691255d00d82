package observe

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// pausedByFailover is INFO's paused_reason of a primary that holds back writes
// for a manual failover (valkey 9.1 src/networking.c).
const pausedByFailover = "failover_in_progress"

// clusterServer asks a server that is a member of a cluster, or is to become one.
func (o Observer) clusterServer(ctx context.Context, conn *valkey.Node, draining bool) (model.Server, error) {
	view, err := conn.View(ctx)
	if err != nil {
		return model.Server{}, err
	}
	server := fromView(view)
	if server.Cluster != nil && server.Role == model.RolePrimary && model.ParseVersion(server.Version).MovesAtomically() && !server.Loading {
		jobs, err := conn.SlotMigrations(ctx)
		if err != nil && !errors.Is(err, valkey.ErrUnsupported) && !errors.Is(err, valkey.ErrAuth) {
			return model.Server{}, err // without the right to look there is none to begin one
		}
		server.Cluster.Moves = moves(jobs, view.Info.Time)
	}
	if draining { // the only time that anybody asks for them
		clients, err := conn.Clients(ctx, v1alpha1.OwnUsers()...)
		if err != nil {
			return model.Server{}, err
		}
		server.Clients = len(slices.DeleteFunc(clients, silent))
	}
	return server, nil
}

// fromView translates a server's words about itself and its cluster.
func fromView(view valkey.View) model.Server {
	s := fromInfo(view.Info)
	if !view.Info.ClusterEnabled {
		s.Held = s.Role == model.RoleReplica && s.Follows == model.Nobody
		return s
	}
	s.Cluster = clusterOf(view)
	s.FailingOver = view.Info.PausedReason == pausedByFailover
	s.Unlinked = s.Role == model.RoleReplica && !s.LinkUp && view.Info.LinkDownSeconds < 0
	if s.Role == model.RolePrimary && unassigned(s.Cluster) {
		s.Role, s.Follows, s.Acked = model.RoleReplica, model.Nobody, nil
		s.LinkDown = time.Duration(view.Info.UptimeSeconds) * time.Second
	}
	return s
}

// unassigned says that a member is no replica, and serves nobody all the same.
func unassigned(c *model.ClusterServer) bool {
	self, ok := c.Self()
	return ok && self.Slots.Empty() &&
		!slices.ContainsFunc(c.Members, func(m model.Member) bool { return m.Primary == c.ID })
}

func clusterOf(view valkey.View) *model.ClusterServer {
	c := &model.ClusterServer{OK: view.Cluster.OK}
	for _, n := range view.Nodes {
		if n.Myself {
			c.ID = n.ID
		}
		c.Members = append(c.Members, member(n))
	}
	slices.SortFunc(c.Members, func(a, b model.Member) int { return strings.Compare(a.ID, b.ID) })
	return c
}

func member(n valkey.ClusterNode) model.Member {
	m := model.Member{
		ID: n.ID, Primary: n.PrimaryID, Epoch: n.ConfigEpoch, Linked: n.LinkUp || n.Myself,
		Suspected: n.PFail, Failed: n.Fail, Handshake: n.Handshake,
		Slots:  slots(n.Slots),
		Giving: maps.Clone(n.Migrating), Taking: maps.Clone(n.Importing),
	}
	if n.Host != "" && !n.NoAddr {
		m.Address = net.JoinHostPort(n.Host, strconv.Itoa(n.Port))
	}
	switch {
	case n.Primary:
		m.Role = model.RolePrimary
	case n.Replica:
		m.Role = model.RoleReplica
	}
	return m
}

func slots(ranges []valkey.SlotRange) model.Slots {
	out := make([]model.SlotRange, 0, len(ranges))
	for _, r := range ranges {
		out = append(out, model.SlotRange{First: r.First, Last: r.Last})
	}
	return model.NewSlots(out...)
}

// moves are the migrations of which the server is the source. When one has ended
// is told by the server's own clock.
func moves(jobs []valkey.SlotMigration, now time.Time) []model.Move {
	var out []model.Move
	for _, j := range jobs {
		if j.Operation != valkey.MigrationExport {
			continue
		}
		m := model.Move{Name: j.Name, To: j.TargetID, Slots: slots(j.Slots), State: moveState(j.State), Message: j.Message}
		if m.State != model.MoveRuns && !now.IsZero() {
			m.Ago = max(0, now.Sub(time.Unix(j.UpdatedAt, 0)))
		}
		out = append(out, m)
	}
	return out
}

func moveState(word string) model.MoveState {
	switch word {
	case valkey.MigrationSuccess:
		return model.MoveDone
	case valkey.MigrationFailed:
		return model.MoveFailed
	case valkey.MigrationCancelled:
		return model.MoveCancelled
	}
	return model.MoveRuns
}

// idleCommands are those by which a client keeps a connection, or learns who is
// who: it asks nothing of this server's data with them.
var idleCommands = []string{"ping", "hello", "auth", "readonly", "readwrite", "command", "info", "client", "cluster",
	"select", "reset", "role", "NULL", ""}

// readOnly is the flag of a client that reads from replicas (READONLY).
const readOnly = "r"

// quiet is how long a client has to have said nothing to count as silent: the
// default dial timeout of go-redis and valkey-go. Who is held up at another address
// that has vanished is back after that time, and still has to be redirected.
const quiet = 5 * time.Second

// silent says of a client in a cluster that it does not wait for anything here:
// they keep a connection to every member. Nor does one wait that reads from
// replicas. It is served until the pod goes, nobody could send it away, and then it
// goes to another; whoever writes is redirected and has to learn before.
func silent(c valkey.ClientInfo) bool {
	command, _, _ := strings.Cut(c.Command, "|")
	return c.Idle >= quiet || slices.Contains(idleCommands, command) || strings.Contains(c.Flags, readOnly)
}
