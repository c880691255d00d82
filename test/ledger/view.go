package ledger

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// view is what the nodes of a cluster say of it and of each other.
type view struct {
	shards []shard // those that own slots, by their first one
	// strays are nodes that somebody still lists and that are none any more, or
	// not yet: failed, without an address, not met by all.
	strays []string
}

// shard is a primary with slots, and its replicas.
type shard struct {
	id       string
	primary  client.Member
	goal     target
	replicas []client.Member
}

// covered is how many slots have an owner that can be asked.
func (v view) covered() int {
	n := 0
	for _, s := range v.shards {
		n += s.primary.Slots.Len()
	}
	return n
}

// same reports whether the slots still have the same owners.
func (v view) same(w view) bool {
	return slices.EqualFunc(v.shards, w.shards, func(a, b shard) bool {
		return a.goal.runID == b.goal.runID && a.primary.Slots == b.primary.Slots
	})
}

// awaitView waits until the cluster is at rest: all slots have an owner, all
// nodes agree on them, none is on its way. If it does not come to that, the error
// says why not, and the view has what there is.
func (r *Run) awaitView(ctx context.Context) (view, error) {
	deadline := time.Now().Add(r.config.SyncTimeout)
	for {
		v, err := r.look(ctx)
		if err == nil || time.Now().After(deadline) {
			return v, err
		}
		sleep(ctx, poll)
	}
}

// look asks one node which others there are, and then each of those.
func (r *Run) look(ctx context.Context) (view, error) {
	members, err := r.askMembers(ctx, r.config.Addr)
	if err != nil {
		return view{}, err
	}
	var v view
	var errs []error
	agree := newAgreement(members)
	for _, m := range members {
		if len(m.Trouble) > 0 {
			continue // one of the strays
		}
		seen, err := r.askMembers(ctx, m.Addr)
		switch {
		case err == nil:
			errs = append(errs, agree.see(m, seen))
		case m.Slots.Len() > 0:
			errs = append(errs, err)
		}
		if m.Slots.Len() == 0 {
			continue // a replica, or a primary that serves nothing
		}
		s, err := r.askShard(ctx, m, members)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.shards = append(v.shards, s)
	}
	slices.SortFunc(v.shards, func(a, b shard) int { return first(a.primary) - first(b.primary) })
	if n := history.Slots - v.covered(); n > 0 {
		errs = append(errs, fmt.Errorf("%d slots have no owner that answers", n))
	}
	if v.strays = agree.strays(); len(v.strays) > 0 {
		errs = append(errs, fmt.Errorf("nodes that are none: %s", strings.Join(v.strays, "; ")))
	}
	return v, errors.Join(errs...)
}

// first is a primary's lowest slot.
func first(m client.Member) int {
	for slot, mine := range m.Slots {
		if mine {
			return slot
		}
	}
	return history.Slots
}

func (r *Run) askShard(ctx context.Context, primary client.Member, members []client.Member) (shard, error) {
	wire, err := client.Connect(ctx, primary.Addr, r.config.Credentials, r.config.Timeout)
	if err != nil {
		return shard{}, err
	}
	defer func() { _ = wire.Close() }()
	info, err := wire.Identify(true)
	if err != nil {
		return shard{}, err
	}
	s := shard{id: info.Shard, primary: primary}
	if s.goal, err = askTarget(wire); err != nil {
		return s, fmt.Errorf("the owner of slots at %s: %w", primary.Addr, err)
	}
	s.goal.slots = &s.primary.Slots
	for _, m := range members {
		if m.Of == primary.ID && len(m.Trouble) == 0 {
			s.replicas = append(s.replicas, m)
		}
	}
	slices.SortFunc(s.replicas, func(a, b client.Member) int { return strings.Compare(a.Addr, b.Addr) })
	return s, nil
}

// askMembers asks a node for the cluster's nodes.
func (r *Run) askMembers(ctx context.Context, addr string) ([]client.Member, error) {
	wire, err := client.Connect(ctx, addr, r.config.Credentials, r.config.Timeout)
	if err != nil {
		return nil, err
	}
	defer func() { _ = wire.Close() }()
	text, err := wire.Do("CLUSTER", "NODES")
	if err != nil {
		return nil, fmt.Errorf("CLUSTER NODES of %s (the user needs +cluster|nodes): %w", addr, err)
	}
	members, err := client.ParseNodes(text)
	for i := range members {
		// A node that nobody has met yet does not know its own address.
		if host, port, _ := net.SplitHostPort(members[i].Addr); members[i].Myself && host == "" {
			host, _, _ = net.SplitHostPort(addr)
			members[i].Addr = net.JoinHostPort(host, port)
		}
	}
	return members, err
}

// agreement compares what the nodes of a cluster say of each other.
type agreement struct {
	owners [history.Slots]string
	seen   map[string]client.Member // by id
	by     map[string]int           // how many list it
	bad    map[string]string        // what is wrong with it, by id
	asked  int
}

func newAgreement(members []client.Member) *agreement {
	a := &agreement{owners: owners(members), seen: map[string]client.Member{}, by: map[string]int{}, bad: map[string]string{}}
	a.list(members)
	a.by = map[string]int{} // they count when they are asked themselves
	return a
}

// owners is the id of each slot's owner.
func owners(members []client.Member) [history.Slots]string {
	var out [history.Slots]string
	for _, m := range members {
		for slot, mine := range m.Slots {
			if mine {
				out[slot] = m.ID
			}
		}
	}
	return out
}

// see takes in what one node says, and returns in what it differs.
func (a *agreement) see(who client.Member, members []client.Member) error {
	a.asked++
	a.list(members)
	n := 0
	for slot, owner := range owners(members) {
		if owner != a.owners[slot] {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%s names other owners for %d slots", who.Addr, n)
	}
	for _, m := range members {
		if m.Myself && m.Moving {
			return fmt.Errorf("%s has slots on their way", who.Addr)
		}
	}
	return nil
}

func (a *agreement) list(members []client.Member) {
	for _, m := range members {
		a.seen[m.ID] = m
		a.by[m.ID]++
		if len(m.Trouble) > 0 {
			a.bad[m.ID] = strings.Join(m.Trouble, ",")
		}
	}
}

// strays are the nodes that are failed, or that not everybody knows.
func (a *agreement) strays() []string {
	var out []string
	for id, m := range a.seen {
		switch {
		case a.bad[id] != "":
			out = append(out, fmt.Sprintf("%.8s at %s is %s", id, m.Addr, a.bad[id]))
		case a.by[id] < a.asked:
			out = append(out, fmt.Sprintf("%.8s at %s is known to %d of %d nodes", id, m.Addr, a.by[id], a.asked))
		}
	}
	slices.Sort(out)
	return out
}
