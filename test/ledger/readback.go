package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// The roles of servers that are read back.
const (
	rolePrimary       = "primary"
	roleReplica       = "replica"
	roleSecondPrimary = "second primary"
	roleUnknown       = "unknown"
)

// target is what a replica must have reached before it is read back.
type target struct {
	runID, replID string
	offset        int64
	slaves        []string         // addresses that the primary lists
	slots         *history.SlotSet // which keys are the primary's, nil for all
}

// poll is the pause between two questions while waiting.
const poll = 50 * time.Millisecond

// readBack reads every acknowledged key from the primary and from each replica.
// The primary is the first node.
func (r *Run) readBack(ctx context.Context) []report.Node {
	if r.config.Cluster {
		return r.readBackCluster(ctx)
	}
	primary := report.Node{Address: r.config.Addr, Role: rolePrimary, CaughtUp: true}
	goal, err := r.awaitPrimary(ctx)
	if err != nil {
		r.problem("no primary behind %s to read back from: %v", r.config.Addr, err)
		primary.Error, primary.CaughtUp, primary.Role = err.Error(), false, roleUnknown
		r.note(&primary, r.history.Unread(nil))
		return []report.Node{primary}
	}
	primary.RunID, primary.Name = goal.runID, r.podOf(goal.runID)
	r.compare(ctx, &primary, nil)
	if after, err := r.askPrimary(ctx); err != nil || after.runID != goal.runID {
		r.problem("the primary behind %s changed while it was read back: run again without a change at the end", r.config.Addr)
	}
	nodes := []report.Node{primary}
	for _, replica := range r.replicas(goal) {
		if r.readReplica(ctx, &replica, goal) {
			nodes = append(nodes, replica)
		}
	}
	if n := len(nodes) - 1; n < r.config.ExpectReplicas {
		r.problem("%d replicas were read back and %d were expected: name them, or say where their pods are", n, r.config.ExpectReplicas)
	}
	if r.config.Cleanup {
		r.cleanUp(ctx, r.config.Addr, nil)
	}
	return nodes
}

// awaitPrimary waits until the server behind the address is a primary.
func (r *Run) awaitPrimary(ctx context.Context) (target, error) {
	deadline := time.Now().Add(r.config.SyncTimeout)
	for {
		goal, err := r.askPrimary(ctx)
		if err == nil || time.Now().After(deadline) {
			return goal, err
		}
		sleep(ctx, poll)
	}
}

func (r *Run) askPrimary(ctx context.Context) (target, error) {
	wire, err := client.Connect(ctx, r.config.Addr, r.config.Credentials, r.config.Timeout)
	if err != nil {
		return target{}, err
	}
	defer func() { _ = wire.Close() }()
	return askTarget(wire)
}

// askTarget asks a primary what its replicas have to reach.
func askTarget(wire *client.Wire) (target, error) {
	info, err := wire.Identify(false)
	if err != nil {
		return target{}, err
	}
	fields, err := wire.Info("replication")
	if err != nil {
		return target{}, err
	}
	if fields["role"] != "master" {
		return target{}, fmt.Errorf("server %s has role %q, not master", info.RunID, fields["role"])
	}
	offset, err := strconv.ParseInt(fields["master_repl_offset"], 10, 64)
	if err != nil {
		return target{}, fmt.Errorf("master_repl_offset of %s: %w", info.RunID, err)
	}
	goal := target{runID: info.RunID, replID: fields["master_replid"], offset: offset}
	for i := 0; fields[fmt.Sprintf("slave%d", i)] != ""; i++ {
		goal.slaves = append(goal.slaves, slaveAddr(fields[fmt.Sprintf("slave%d", i)]))
	}
	return goal, nil
}

// slaveAddr takes the address out of "ip=10.0.0.1,port=6379,state=online,...".
func slaveAddr(line string) string {
	var ip, port string
	for field := range strings.SplitSeq(line, ",") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "ip":
			ip = value
		case "port":
			port = value
		}
	}
	return net.JoinHostPort(ip, port)
}

// replicas lists the servers to read back besides the primary.
func (r *Run) replicas(goal target) []report.Node {
	var out []report.Node
	add := func(name, addr string) {
		out = append(out, report.Node{Name: name, Address: addr, Role: roleUnknown})
	}
	switch {
	case len(r.config.Replicas) > 0:
		for _, addr := range r.config.Replicas {
			add("", addr)
		}
	case r.tracker != nil:
		port := strconv.Itoa(r.prober.PortOrDefault())
		for _, life := range r.tracker.Lives() {
			if !life.Gone.IsZero() || life.Name == r.podOf(goal.runID) {
				continue
			}
			addr := ""
			if life.IP != "" {
				addr = net.JoinHostPort(life.IP, port)
			}
			add(life.Name, addr)
		}
	default:
		for _, addr := range goal.slaves {
			add("", addr)
		}
	}
	return out
}

// errIsPrimary says that an address leads to the primary.
var errIsPrimary = errors.New("this is the primary itself, not a replica")

// readReplica waits until a replica has the primary's offset, bounded, and reads
// it back in any case: what is missing then is stale. It reports whether the
// node is one of the replicas.
func (r *Run) readReplica(ctx context.Context, node *report.Node, goal target) bool {
	if node.Address == "" {
		r.note(node, r.history.Unread(goal.slots))
		r.replicaProblem(node, errors.New("the pod has no address, so it could not be read back"))
		return true
	}
	from := time.Now()
	for {
		err := r.askReplica(ctx, node, goal)
		waited := time.Since(from)
		node.WaitedMs = milliseconds(int64(waited))
		switch {
		case errors.Is(err, errIsPrimary):
			if len(r.config.Replicas) > 0 {
				r.replicaProblem(node, err)
			}
			return false
		case err != nil && waited < r.config.SyncTimeout:
			sleep(ctx, poll)
			continue
		case err != nil:
			r.replicaProblem(node, fmt.Errorf("not caught up within %s: %w", r.config.SyncTimeout, err))
		}
		node.CaughtUp = err == nil
		r.compare(ctx, node, goal.slots)
		return true
	}
}

func (r *Run) replicaProblem(node *report.Node, err error) {
	node.Error = err.Error()
	r.problem("replica %s: %v", nodeName(*node), err)
}

// askReplica returns nil once a replica has reached the goal.
func (r *Run) askReplica(ctx context.Context, node *report.Node, goal target) error {
	wire, err := client.Connect(ctx, node.Address, r.config.Credentials, r.config.Timeout)
	if err != nil {
		return err
	}
	defer func() { _ = wire.Close() }()
	info, err := wire.Identify(false)
	if err != nil {
		return err
	}
	node.RunID = info.RunID
	if info.RunID == goal.runID {
		return errIsPrimary
	}
	if node.Name == "" {
		node.Name = r.podOf(info.RunID)
	}
	fields, err := wire.Info("replication")
	if err != nil {
		return err
	}
	if fields["role"] != "slave" {
		node.Role = roleSecondPrimary
		return fmt.Errorf("its role is %q", fields["role"])
	}
	node.Role = roleReplica
	offset, err := strconv.ParseInt(fields["slave_repl_offset"], 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("slave_repl_offset: %w", err)
	case fields["master_link_status"] != "up":
		return fmt.Errorf("its link to the primary is %s", fields["master_link_status"])
	case fields["master_sync_in_progress"] != "0":
		return errors.New("it synchronises in full")
	case fields["master_replid"] != goal.replID:
		return fmt.Errorf("its history is %.8s, the primary's %.8s", fields["master_replid"], goal.replID)
	case offset < goal.offset:
		return fmt.Errorf("its offset is %d, the primary's was %d", offset, goal.offset)
	}
	return nil
}

// compare reads all acknowledged keys back from a node, or those of some slots.
func (r *Run) compare(ctx context.Context, node *report.Node, slots *history.SlotSet) {
	reader := r.settings.NewReader(node.Address)
	defer func() { _ = reader.Close() }()
	tally, err := r.history.Compare(ctx, r.keys, slots, reader)
	r.note(node, tally)
	if err != nil {
		node.Error = err.Error()
		r.problem("reading back from %s: %v", nodeName(*node), err)
	}
}

// note puts a tally into the report.
func (r *Run) note(node *report.Node, tally history.Tally) {
	node.Checked, node.Missing, node.Diverged = tally.Checked, tally.Missing, tally.Diverged
	node.Examples, node.Absent = tally.Examples, nil
	servers := r.settings.Registry.Servers()
	for _, server := range slices.Sorted(maps.Keys(tally.Absent)) {
		a := tally.Absent[server]
		one := report.Absent{Count: a.Count, FirstMs: milliseconds(a.First), LastMs: milliseconds(a.Last)}
		if server != history.Unattributed {
			one.RunID = servers[server].RunID
			one.Pod = r.podOf(one.RunID)
		}
		node.Absent = append(node.Absent, one)
	}
}

func nodeName(n report.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.Address
}

// podOf is the name of the pod with a run id, "" if that is not known.
func (r *Run) podOf(runID string) string {
	if r.prober == nil {
		return ""
	}
	return r.prober.PodOf(runID)
}

// cleanUp removes the keys of acknowledged writes from a primary.
func (r *Run) cleanUp(ctx context.Context, addr string, slots *history.SlotSet) {
	reader := r.settings.NewReader(addr)
	defer func() { _ = reader.Close() }()
	if err := r.history.Batches(r.keys, slots, func(keys []string) error { return reader.Remove(ctx, keys) }); err != nil {
		r.problem("removing the keys afterwards: %v", err)
	}
}

var _ history.Reader = (*client.Reader)(nil)
