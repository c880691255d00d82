package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// sentinelView is what one Sentinel says.
type sentinelView struct {
	server   SentinelServer
	info     valkey.SentinelInfo
	id       string
	primary  valkey.SentinelPrimary
	replicas []valkey.SentinelReplica
	peers    []valkey.SentinelPeer
	err      error
}

// replica is the entry of that address.
func (v sentinelView) replica(host string, port int) (valkey.SentinelReplica, bool) {
	for _, r := range v.replicas {
		if r.Host == host && r.Port == port {
			return r, true
		}
	}
	return valkey.SentinelReplica{}, false
}

// lookAtSentinels asks all of them at the same time.
func lookAtSentinels(ctx context.Context, sentinels []SentinelServer, name string) []sentinelView {
	views := make([]sentinelView, len(sentinels))
	var asked sync.WaitGroup
	for i, s := range sentinels {
		asked.Go(func() { views[i] = viewOf(ctx, s, name) })
	}
	asked.Wait()
	return views
}

func viewOf(ctx context.Context, s SentinelServer, name string) sentinelView {
	v := sentinelView{server: s}
	steps := []func() error{
		func() (err error) { v.info, err = s.SentinelInfo(ctx); return },
		func() (err error) { v.id, err = s.SentinelID(ctx); return },
		func() (err error) { v.primary, err = s.SentinelPrimary(ctx, name); return },
		func() (err error) { v.replicas, err = s.SentinelReplicas(ctx, name); return },
		func() (err error) { v.peers, err = s.SentinelPeers(ctx, name); return },
		func() error { return s.SentinelCheckQuorum(ctx, name) },
	}
	for _, step := range steps {
		if v.err = step(); v.err != nil {
			return v
		}
	}
	return v
}

// gate asks servers and Sentinels whether it may begin, and settles how.
func (h *sentinelRun) gate(ctx context.Context) error {
	if h.sopt.Name == "" || len(h.sentinels) == 0 {
		return errors.New("no sentinels, or no name under which they monitor")
	}
	line, err := h.check(ctx)
	if err != nil {
		return err
	}
	h.res.TargetHost, h.res.TargetPort = line.Host, line.Port
	if h.sopt.OldHost, h.sopt.OldPort, err = addressOr(h.sopt.OldHost, h.sopt.OldPort, h.old.Addr()); err != nil {
		return err
	}
	h.views = lookAtSentinels(ctx, h.sentinels, h.sopt.Name)
	known := map[string]bool{}
	for _, v := range h.views {
		if v.err != nil {
			return fmt.Errorf("sentinel: %w", v.err)
		}
		known[v.id] = true
	}
	for _, v := range h.views {
		if err := h.agreesBefore(v, known); err != nil {
			return err
		}
	}
	return h.chooseWay()
}

func addressOr(host string, port int, addr string) (string, int, error) {
	if host != "" && port != 0 {
		return host, port, nil
	}
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// agreesBefore says what keeps this Sentinel from taking part.
func (h *sentinelRun) agreesBefore(v sentinelView, known map[string]bool) error {
	addr, p := v.server.Addr(), v.primary
	switch {
	case v.info.Tilt:
		return fmt.Errorf("sentinel %s has seen time jump and does nothing for a while", addr)
	case p.Host != h.sopt.OldHost || p.Port != h.sopt.OldPort:
		return fmt.Errorf("sentinel %s names %s:%d as primary, not %s:%d", addr, p.Host, p.Port, h.sopt.OldHost, h.sopt.OldPort)
	case p.Flags.FailoverInProgress:
		return fmt.Errorf("sentinel %s: %w: %s", addr, valkey.ErrSentinelBusy, p.FailoverState)
	case unreached(p.Flags):
		return fmt.Errorf("sentinel %s takes the old primary to be down", addr)
	case p.RoleReported != valkey.RolePrimary:
		return fmt.Errorf("sentinel %s has last heard that the old primary is a %s", addr, p.RoleReported)
	}
	for _, peer := range v.peers {
		if !peer.Flags.Down && !known[peer.ID] {
			return fmt.Errorf("sentinel %s knows another one, %s at %s:%d, that was not asked", addr, peer.ID, peer.Host, peer.Port)
		}
	}
	return h.listsTarget(v)
}

// listsTarget: the Sentinel knows the target by the same address as the primary
// does. If not, COORDINATED would name one that matches no replica, and leave the
// primary paused for failover-timeout.
func (h *sentinelRun) listsTarget(v sentinelView) error {
	addr := v.server.Addr()
	r, ok := v.replica(h.res.TargetHost, h.res.TargetPort)
	switch {
	case !ok:
		return fmt.Errorf("sentinel %s lists no replica at %s:%d, as the old primary does", addr, h.res.TargetHost, h.res.TargetPort)
	case unreached(r.Flags):
		return fmt.Errorf("sentinel %s takes the target to be down", addr)
	case r.RoleReported != valkey.RoleReplica:
		return fmt.Errorf("sentinel %s has last heard that the target is a %s", addr, r.RoleReported)
	}
	return nil
}

func unreached(f valkey.SentinelFlags) bool { return f.Down || f.AgreedDown || f.Disconnected }

// chooseWay settles how it is done and, if a Sentinel is to do it, which.
func (h *sentinelRun) chooseWay() error {
	h.res.Way = h.sopt.Way
	if h.res.Way == WayDirect {
		return nil
	}
	for i, v := range h.views {
		if coordinates(v.info.Version) && (h.asked == nil || v.primary.ConfigEpoch > h.asked.primary.ConfigEpoch) {
			h.asked = &h.views[i]
		}
	}
	switch {
	case h.asked == nil && h.res.Way == WayCoordinated:
		return fmt.Errorf("no sentinel is known to hand over well: %w", valkey.ErrUnsupported)
	case h.asked == nil:
		h.res.Way = WayDirect
		return nil
	}
	h.res.Way = WayCoordinated
	h.res.Asked = h.asked.server.Addr()
	if err := h.electable(*h.asked); err != nil {
		return err
	}
	return h.steered(*h.asked)
}

// electable: the Sentinel can win an election. It asks for votes once, and only those
// that it is connected to; and none that knows of a later epoch votes for it. One that
// is not elected is busy with it for 10 s.
func (h *sentinelRun) electable(asked sentinelView) error {
	votes := 1
	for _, peer := range asked.peers {
		if !unreached(peer.Flags) {
			votes++
		}
	}
	if need := max(asked.primary.Quorum, (len(asked.peers)+1)/2+1); votes < need {
		return fmt.Errorf("sentinel %s is connected to %d others, it needs %d votes: %w", asked.server.Addr(), votes-1, need, valkey.ErrNoQuorum)
	}
	for _, v := range h.views {
		if v.primary.ConfigEpoch > asked.primary.ConfigEpoch {
			return fmt.Errorf("sentinel %s has not heard of epoch %d yet", asked.server.Addr(), v.primary.ConfigEpoch)
		}
	}
	return nil
}

// steered: whomever the Sentinel may choose is one that we would. It takes the
// lowest priority first, and goes by offsets after that, which move.
func (h *sentinelRun) steered(v sentinelView) error {
	allowed := func(r valkey.SentinelReplica) bool {
		_, ok := h.candidate(r.Host, r.Port)
		return ok
	}
	best := 0
	for _, r := range v.replicas {
		if allowed(r) && choosable(r) && (best == 0 || r.Priority < best) {
			best = r.Priority
		}
	}
	if best == 0 {
		return fmt.Errorf("sentinel %s has not seen the target with a priority above 0: %w", v.server.Addr(), valkey.ErrNoGoodReplica)
	}
	for _, r := range v.replicas {
		if !allowed(r) && choosable(r) && r.Priority <= best {
			return fmt.Errorf("%w: sentinel %s, %s:%d with priority %d", ErrSteer, v.server.Addr(), r.Host, r.Port, r.Priority)
		}
	}
	return nil
}

func choosable(r valkey.SentinelReplica) bool {
	return r.Priority > 0 && !r.Flags.Down && !r.Flags.AgreedDown
}

// candidate is the target, or another that may take over, by its address.
func (h *sentinelRun) candidate(host string, port int) (Candidate, bool) {
	if host == h.res.TargetHost && port == h.res.TargetPort {
		return Candidate{Server: h.target, Host: host, Port: port}, true
	}
	for _, c := range h.sopt.Candidates {
		if c.Host == host && c.Port == port {
			return c, true
		}
	}
	return Candidate{}, false
}
