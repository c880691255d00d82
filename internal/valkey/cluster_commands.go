package valkey

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MyID is the node's identity in the cluster: it lives in nodes.conf and outlives
// restarts (and handovers), as long as that file does.
func (n *Node) MyID(ctx context.Context) (string, error) {
	return n.readText(ctx, "CLUSTER", "MYID")
}

// Meet makes the node greet the one at host:port, which must be an IP address;
// its bus port is 10,000 higher. The answer comes before the greeting: look for it
// in ClusterNodes on both. Each then tells the others of the other, so in a cluster
// that stands one MEET is enough, and one too many does no harm.
func (n *Node) Meet(ctx context.Context, host string, port int) error {
	return n.expectOK(ctx, "CLUSTER", "MEET", host, strconv.Itoa(port))
}

// AddSlots makes the node the owner of slots that, as far as it knows, nobody
// owns: all of them, or none (ErrSlotBusy). Others believe it if its configuration
// epoch is higher than that of the owner they know (BumpEpoch).
func (n *Node) AddSlots(ctx context.Context, ranges []SlotRange) error {
	return n.expectOK(ctx, append([]string{"CLUSTER", "ADDSLOTSRANGE"}, slotArgs(ranges)...)...)
}

// DisownSlots makes the node, and it alone, believe that nobody owns slots which it
// takes to be another's. All of them must have an owner. A living owner would tell
// it otherwise soon.
func (n *Node) DisownSlots(ctx context.Context, ranges []SlotRange) error {
	return n.expectOK(ctx, append([]string{"CLUSTER", "DELSLOTSRANGE"}, slotArgs(ranges)...)...)
}

// SetConfigEpoch gives a fresh node, which knows no other, its configuration
// epoch. Primaries with the same one would take turns in raising it, slowly.
// ErrEpochIsSet if it is too late.
func (n *Node) SetConfigEpoch(ctx context.Context, epoch int64) error {
	return n.expectOK(ctx, "CLUSTER", "SET-CONFIG-EPOCH", strconv.FormatInt(epoch, 10))
}

// BumpEpoch gives the node the highest configuration epoch of all it has heard of,
// without asking anybody; one that has the highest, and alone, keeps it. What it
// claims is then believed by all.
func (n *Node) BumpEpoch(ctx context.Context) error {
	text, err := n.text(ctx, "CLUSTER", "BUMPEPOCH")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, "BUMPED ") && !strings.HasPrefix(text, "STILL ") {
		return wrap(n.addr, "CLUSTER BUMPEPOCH", fmt.Errorf("%w: %q", ErrMalformed, text))
	}
	return nil
}

// Replicate makes the node a replica of the primary with that id, which it must
// know already (ErrUnknownNode). What the node holds is replaced; but a primary
// that has slots or keys refuses (ErrNotEmpty). A replica of that primary
// already: nothing happens.
func (n *Node) Replicate(ctx context.Context, id string) error {
	return n.expectOK(ctx, "CLUSTER", "REPLICATE", id)
}

// Forget strikes a node off this node's list, and for a minute keeps it from
// being added again by others who still tell of it. This node tells the others,
// and within a second or so all have forgotten it. A living one does not stay
// away: it greets those from whom it has not heard for a node timeout, and so
// comes and goes for that minute, and then is known to all again. One that this
// node does not know and has not just forgotten: ErrUnknownNode.
func (n *Node) Forget(ctx context.Context, id string) error {
	return n.expectOK(ctx, "CLUSTER", "FORGET", id)
}

// ClusterFailover asks this replica to take its primary's place without losing a
// write: it makes the primary hold back writes, waits until it has everything, and
// has itself elected. The answer comes before all that. What becomes of it is for
// Role to show; when it fails, nobody says so, and the primary goes on to hold back
// writes until cluster-manual-failover-timeout has passed.
func (n *Node) ClusterFailover(ctx context.Context) error {
	return n.expectOK(ctx, "CLUSTER", "FAILOVER")
}

// ClusterFailoverForce does not ask the primary: what it has acknowledged and this
// replica does not have is lost. Only for a primary that is gone.
func (n *Node) ClusterFailoverForce(ctx context.Context) error {
	return n.expectOK(ctx, "CLUSTER", "FAILOVER", "FORCE")
}

// ClusterFailoverTakeover asks nobody, not even the other primaries: for when a
// majority of them is gone, and known to be fenced.
func (n *Node) ClusterFailoverTakeover(ctx context.Context) error {
	return n.expectOK(ctx, "CLUSTER", "FAILOVER", "TAKEOVER")
}

// NudgeChannel is where Nudge publishes; nobody needs to listen.
const NudgeChannel = "valkeeper:nudge"

// Nudge makes the node send every other one so many bytes, so that what it has
// told them before does not wait in its kernel (see docs/adr/0005-cluster-handover.md).
func (n *Node) Nudge(ctx context.Context, bytes int) error {
	result, err := n.do(ctx, "PUBLISH", NudgeChannel, strings.Repeat(".", max(bytes, 1)))
	if err != nil {
		return err
	}
	if _, err := result.ToInt64(); err != nil {
		return wrap(n.addr, "PUBLISH", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return nil
}

// Shutdown ends the server at once, without saving and without waiting for
// replicas: for one that is held back before it joins. That the connection closes
// is the answer; whether the process has gone, only ErrRefused from its address
// shows.
func (n *Node) Shutdown(ctx context.Context) error {
	// An old connection that the server has closed would look like the answer.
	if _, err := n.Role(ctx); err != nil && !errors.Is(err, ErrLoading) {
		return err
	}
	_, err := n.do(ctx, "SHUTDOWN", "NOSAVE", "NOW")
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// FlushAll drops all data of this node, and of its replicas: only for a node that
// has to be empty before it can join as a replica.
func (n *Node) FlushAll(ctx context.Context) error {
	return n.expectOK(ctx, "FLUSHALL", "ASYNC")
}
