package valkey

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Slots is how many hash slots a cluster has.
const Slots = 16384

// SlotRange is the slots from First to Last, both included.
type SlotRange struct{ First, Last int }

// Count is how many slots the range holds.
func (r SlotRange) Count() int { return r.Last - r.First + 1 }

// String writes a range as the server does: "7" or "0-5460".
func (r SlotRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// ClusterNode is one line of CLUSTER NODES: a node as the asked one sees it.
type ClusterNode struct {
	ID string
	// Host is an address, empty if the asked node knows none (then NoAddr), and
	// for a node's own line until somebody has told it (MEET) or it announces one.
	Host          string
	Port, BusPort int
	// Hostname is what the node announces to clients, if it does.
	Hostname string
	// ShardID is in nodes.conf only: no version shows it in CLUSTER NODES.
	ShardID string

	Myself, Primary, Replica bool
	// PFail: the asked node does not reach it. Fail: a majority of the primaries
	// have said so.
	PFail, Fail bool
	// Handshake: met, and not yet known under its own ID (this one is made up).
	Handshake, NoAddr, NoFailover bool

	// PrimaryID of a replica, as far as the asked node has been told.
	PrimaryID string
	// ConfigEpoch decides who owns a slot that two claim. A replica's is its primary's.
	ConfigEpoch int64
	// LinkUp: the asked node has a bus connection to it; true of itself.
	LinkUp bool
	// PingSent is when the ping was sent that has not been answered, 0 if there is
	// none; PongReceived when the last answer came. In ms since 1970, by the asked
	// node's clock.
	PingSent, PongReceived int64

	Slots []SlotRange
	// Migrating and Importing are the asked node's own open slots, with the ID of
	// the node at the other end.
	Migrating, Importing map[int]string
}

// CountSlots is how many slots the node owns.
func (n ClusterNode) CountSlots() int {
	sum := 0
	for _, r := range n.Slots {
		sum += r.Count()
	}
	return sum
}

// ClusterNodes asks how the node sees the cluster.
func (n *Node) ClusterNodes(ctx context.Context) ([]ClusterNode, error) {
	text, err := n.readText(ctx, "CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	nodes, err := ParseClusterNodes(text)
	return nodes, wrap(n.addr, "CLUSTER NODES", err)
}

// ParseClusterNodes reads the text of CLUSTER NODES, and the lines of nodes.conf
// that are about nodes. An error shows the line.
func ParseClusterNodes(text string) ([]ClusterNode, error) {
	var nodes []ClusterNode
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		node, err := parseClusterNode(line)
		if err != nil {
			return nil, fmt.Errorf("%w: cluster node %q: %w", ErrMalformed, line, err)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// clusterNodeFields is how many words a line has before the slots.
const clusterNodeFields = 8

// parseClusterNode reads
//
//	id ip:port@busport[,hostname[,aux=value…]] flags primary|- ping pong epoch link slots…
//
// (valkey 9.1 src/cluster_legacy.c clusterGenNodeDescription).
func parseClusterNode(line string) (ClusterNode, error) {
	fields := strings.Split(line, " ")
	if len(fields) < clusterNodeFields {
		return ClusterNode{}, fmt.Errorf("%d words", len(fields))
	}
	node := ClusterNode{ID: fields[0]}
	if node.ID == "" {
		return ClusterNode{}, errors.New("no id")
	}
	if fields[3] != "-" {
		node.PrimaryID = fields[3]
	}
	return node, errors.Join(
		node.readAddress(fields[1]),
		node.readFlags(fields[2]),
		readNumbers(fields[4:7], &node.PingSent, &node.PongReceived, &node.ConfigEpoch),
		node.readLink(fields[7]),
		node.readSlots(fields[clusterNodeFields:]),
	)
}

// readAddress takes the last colon for the port's: an IPv6 address is written
// without brackets.
func (n *ClusterNode) readAddress(word string) error {
	parts := strings.Split(word, ",")
	address, bus, hasBus := strings.Cut(parts[0], "@")
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || !hasBus {
		return fmt.Errorf("address %q", parts[0])
	}
	n.Host = address[:colon]
	if n.Host != "" && net.ParseIP(n.Host) == nil {
		return fmt.Errorf("address %q is no IP", n.Host)
	}
	var errPort, errBus error
	n.Port, errPort = parsePort(address[colon+1:])
	n.BusPort, errBus = parsePort(bus)
	if len(parts) > 1 {
		n.Hostname = parts[1]
	}
	if len(parts) > 2 {
		n.ShardID = splitPairs(strings.Join(parts[2:], ","), ",")["shard-id"]
	}
	return errors.Join(errPort, errBus)
}

func parsePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	return int(port), err
}

func (n *ClusterNode) readFlags(word string) error {
	for flag := range strings.SplitSeq(word, ",") {
		switch flag {
		case "myself":
			n.Myself = true
		case "master":
			n.Primary = true
		case "slave":
			n.Replica = true
		case "fail?":
			n.PFail = true
		case "fail":
			n.Fail = true
		case "handshake":
			n.Handshake = true
		case "noaddr":
			n.NoAddr = true
		case "nofailover":
			n.NoFailover = true
		case "noflags":
		default:
			return fmt.Errorf("flag %q", flag)
		}
	}
	if n.Primary && n.Replica {
		return errors.New("a primary and a replica at once")
	}
	return nil
}

func readNumbers(words []string, numbers ...*int64) error {
	for i, word := range words {
		value, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return err
		}
		*numbers[i] = value
	}
	return nil
}

func (n *ClusterNode) readLink(word string) error {
	switch word {
	case "connected":
		n.LinkUp = true
	case "disconnected":
	default:
		return fmt.Errorf("link %q", word)
	}
	return nil
}
