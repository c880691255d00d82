package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// operatorACL is what the operator may do on this server.
func (spec Spec) operatorACL() []string {
	switch {
	case spec.Watched:
		return slices.Concat(valkey.OperatorACL, valkey.SentinelDataACL)
	case !spec.Cluster:
		return valkey.OperatorACL
	case spec.Version.movesSlotsAtomically():
		return append(append([]string{}, valkey.ClusterOperatorACL...), valkey.AtomicMigrationACL...)
	}
	return valkey.ClusterOperatorACL
}

// replicationACL is what replicas may do at this server, and sources of slots.
func (spec Spec) replicationACL() []string {
	if spec.Cluster && spec.Version.movesSlotsAtomically() {
		return append(append([]string{}, valkey.ReplicationACL...), valkey.AtomicReplicationACL...)
	}
	return valkey.ReplicationACL
}

func (v Version) movesSlotsAtomically() bool { return v != V81 }

// clusterConfig are the lines that make a server a node of a cluster. The node
// timeout is short so that a scenario about death does not last.
func (s *Server) clusterConfig(hash string) []string {
	return []string{
		"cluster-enabled yes",
		"cluster-node-timeout 2000",
		"cluster-allow-replica-migration no",
		"cluster-announce-ip " + s.Host,
		"user " + valkey.ACLLine(MigrationUser, hash, valkey.MigrationACL),
	}
}

// Cluster is shards of servers, formed by the operator's client.
type Cluster struct {
	t testing.TB
	// Shards are the servers by shard; the first of each became primary.
	Shards [][]*Server
}

// FormCluster starts fresh nodes and forms a cluster of them: the primaries get an
// epoch and their slots, one node meets all, and the others become replicas.
func FormCluster(t testing.TB, spec Spec, shards, replicas int) *Cluster {
	t.Helper()
	spec.Cluster = true
	c := &Cluster{t: t}
	for range shards {
		var shard []*Server
		for range 1 + replicas {
			shard = append(shard, New(t, spec))
		}
		c.Shards = append(c.Shards, shard)
	}
	for _, s := range c.Servers() {
		s.Launch()
	}
	for _, s := range c.Servers() {
		s.WaitAnswers()
	}
	c.assign()
	c.Meet()
	c.replicate()
	c.WaitOK()
	return c
}

// Servers are all of them.
func (c *Cluster) Servers() []*Server {
	var all []*Server
	for _, shard := range c.Shards {
		all = append(all, shard...)
	}
	return all
}

// SlotsOf are the slots that a shard gets when the cluster is formed.
func (c *Cluster) SlotsOf(shard int) valkey.SlotRange {
	n := len(c.Shards)
	return valkey.SlotRange{First: shard * valkey.Slots / n, Last: (shard+1)*valkey.Slots/n - 1}
}

func (c *Cluster) assign() {
	c.t.Helper()
	ctx := context.Background()
	for i, shard := range c.Shards {
		node := shard[0].Node()
		err := errors.Join(
			node.SetConfigEpoch(ctx, int64(i+1)),
			node.AddSlots(ctx, []valkey.SlotRange{c.SlotsOf(i)}),
		)
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// Meet lets the first node meet all others and waits until each knows each.
func (c *Cluster) Meet() {
	c.t.Helper()
	all := c.Servers()
	first := all[0].Node()
	for _, s := range all[1:] {
		if err := first.Meet(context.Background(), s.Host, s.Port); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, s := range all {
		Eventually(c.t, s.Addr()+" knows all others", func() bool {
			nodes := s.ClusterNodes()
			known := 0
			for _, n := range nodes {
				if !n.Handshake && n.LinkUp {
					known++
				}
			}
			return known == len(all) && len(nodes) == len(all)
		})
	}
}

func (c *Cluster) replicate() {
	c.t.Helper()
	for _, shard := range c.Shards {
		id := shard[0].ID()
		for _, s := range shard[1:] {
			if err := s.Node().Replicate(context.Background(), id); err != nil {
				c.t.Fatal(err)
			}
		}
		for _, s := range shard[1:] {
			s.WaitSynced(shard[0])
		}
	}
}

// WaitOK waits until every running node says that the cluster is well, and lists
// each replica under its primary.
func (c *Cluster) WaitOK() {
	c.t.Helper()
	for _, s := range c.Servers() {
		if !s.running() {
			continue
		}
		Eventually(c.t, s.Addr()+" says that the cluster is ok", func() bool {
			info, ok := s.ClusterInfo()
			return ok && info.OK && info.SlotsAssigned == valkey.Slots && c.replicasSeenBy(s)
		})
	}
}

func (c *Cluster) replicasSeenBy(s *Server) bool {
	for _, n := range s.ClusterNodes() {
		if n.Replica && n.PrimaryID == "" || !n.Replica && n.CountSlots() == 0 {
			return false
		}
	}
	return true
}

// WaitAnswers waits until a launched server answers.
func (s *Server) WaitAnswers() {
	s.t.Helper()
	Eventually(s.t, s.Addr()+" answers", func() bool {
		if !s.running() {
			s.t.Fatalf("valkey %s ended at its start:\n%s", s.Spec.Version, s.lastWords())
		}
		reply, err := s.Do("PING")
		return err == nil && reply == "PONG"
	})
}

// ID is the node's identity in its cluster.
func (s *Server) ID() string {
	s.t.Helper()
	return s.Must("CLUSTER", "MYID")
}

// ClusterNodes is how this node sees the cluster, or nothing if it does not answer.
func (s *Server) ClusterNodes() []valkey.ClusterNode {
	text, err := s.Do("CLUSTER", "NODES")
	if err != nil {
		return nil
	}
	nodes, err := valkey.ParseClusterNodes(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return nodes
}

// Sees is how this node sees another.
func (s *Server) Sees(id string) (valkey.ClusterNode, bool) {
	for _, n := range s.ClusterNodes() {
		if n.ID == id {
			return n, true
		}
	}
	return valkey.ClusterNode{}, false
}

// ClusterInfo is what the node says, or false if it does not answer.
func (s *Server) ClusterInfo() (valkey.ClusterInfo, bool) {
	text, err := s.Do("CLUSTER", "INFO")
	if err != nil {
		return valkey.ClusterInfo{}, false
	}
	info, err := valkey.ParseClusterInfo(text)
	return info, err == nil
}

// hashTag returns a tag whose keys all lie in slots of the range; the same number
// gives the same tag.
func hashTag(r valkey.SlotRange, number int) string {
	for i := 0; ; i++ {
		tag := fmt.Sprintf("%d.%d", number, i)
		if slot := keySlot(tag); slot >= r.First && slot <= r.Last {
			return "{" + tag + "}"
		}
	}
}

// keySlot is the slot of a tag: CRC16 (XMODEM) of it.
func keySlot(tag string) int {
	crc := uint16(0)
	for _, c := range []byte(tag) {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % valkey.Slots
}

// MigrationNode is the client that moves keys.
func (s *Server) MigrationNode() *valkey.Node {
	s.t.Helper()
	d := valkey.Dialer{Username: MigrationUser, Password: Password, CommandTimeout: 10 * time.Second}
	node, err := d.Dial(context.Background(), s.Addr())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(node.Close)
	return node
}
