package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// cluster is a real one of several primaries with a replica each: primaries[i]
// and replicas[i] are a shard.
type cluster struct{ primaries, replicas []*server }

// startCluster forms a cluster with plain commands and waits until it is whole.
func startCluster(t *testing.T, root string, shards int) *cluster {
	t.Helper()
	c := &cluster{}
	start := func() *server {
		bus := fmt.Sprint(freePort(t))
		s := startServerOf(t, root, "--cluster-enabled", "yes", "--cluster-port", bus,
			"--cluster-node-timeout", "15000", "--cluster-allow-replica-migration", "no")
		s.bus = bus
		return s
	}
	for i := range shards {
		c.primaries, c.replicas = append(c.primaries, start()), append(c.replicas, start())
		from, to := i*history.Slots/shards, (i+1)*history.Slots/shards-1
		c.primaries[i].do([]string{"CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(from), fmt.Sprint(to)},
			[]string{"CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i + 1)})
	}
	for _, s := range c.all()[1:] {
		s.do([]string{"CLUSTER", "MEET", "127.0.0.1", port(t, c.primaries[0]), c.primaries[0].bus})
	}
	for i, replica := range c.replicas {
		id := c.primaries[i].ask("CLUSTER", "MYID")
		replica.await("it knows its primary", func() bool { return strings.Contains(replica.ask("CLUSTER", "NODES"), id) })
		replica.do([]string{"CLUSTER", "REPLICATE", id})
	}
	c.awaitWhole()
	return c
}

func (c *cluster) all() []*server { return append(slices.Clone(c.primaries), c.replicas...) }

// awaitWhole waits until every node calls the cluster whole and knows all others and who
// of them are replicas, and each replica is in sync.
func (c *cluster) awaitWhole() {
	for _, s := range c.all() {
		s.await("the cluster is whole", func() bool {
			info := s.ask("CLUSTER", "INFO")
			replication := s.info("replication")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(c.all()))) &&
				strings.Count(s.ask("CLUSTER", "NODES"), "slave ") == len(c.replicas) &&
				(replication["role"] == "master" && replication["connected_slaves"] == "1" || replication["master_link_status"] == "up")
		})
	}
}

// failover lets a shard's replica take over, and waits until it has.
func (c *cluster) failover(i int, how ...string) {
	replica := c.replicas[i]
	replica.do(append([]string{"CLUSTER", "FAILOVER"}, how...))
	replica.await("it is primary", func() bool { return replica.info("replication")["role"] == "master" })
	c.primaries[i], c.replicas[i] = replica, c.primaries[i]
}

// clusterConfig is that of a short run against a cluster.
func clusterConfig(c *cluster) Config {
	config := config(c.primaries[0].addr)
	config.Cluster, config.Topology = true, "Cluster"
	config.Writers, config.ExpectReplicas = 16, 1
	return config
}

// One cluster for all of it: forming one takes longer than most of what is tried.
func TestAClusterUnderWriters(t *testing.T) {
	c := startCluster(t, root91, 3)
	for _, one := range []struct {
		name string
		try  func(*testing.T, *cluster)
	}{
		{"at rest it is proven", atRest},
		{"a graceful failover in one shard is one handover there", gracefulFailover},
		{"a user needs no more than the page says", fewRights},
		{"slots that migrate are moved and not fought over", migration},
		{"a forced failover away from a primary that is alive is caught", forcedFailover},
		{"damage is found where it is", damage}, // the last one: a replica is gone then
	} {
		t.Run(one.name, func(t *testing.T) { one.try(t, c.under(t)) })
	}
}

func TestAClusterOfAnOlderVersionUnderWriters(t *testing.T) {
	gracefulFailover(t, startCluster(t, root81, 3))
}

// under is the same cluster, as a subtest's.
func (c *cluster) under(t *testing.T) *cluster {
	for _, s := range c.all() {
		s.t = t
	}
	return c
}

func atRest(t *testing.T, c *cluster) {
	r := begin(t, clusterConfig(c))
	awaitAcks(t, r, 1000)
	run := end(t, r)
	if run.Verdict != report.Proven || len(run.Errors) != 0 || len(run.Handovers) != 0 || len(run.ReadBack) != 6 {
		t.Errorf("verdict %s, errors %v, handovers %+v, read back %+v", run.Verdict, run.Errors, run.Handovers, run.ReadBack)
	}
	if run.Cluster.SlotsCovered != history.Slots || run.Cluster.ImbalancePercent > 0.1 || len(run.Cluster.Moves) != 0 {
		t.Errorf("cluster %+v", *run.Cluster)
	}
	checked := 0
	for _, n := range run.ReadBack {
		checked += n.Checked
	}
	if checked != 2*run.Acknowledged {
		t.Errorf("%d keys read of %d acknowledged on two servers each", checked, run.Acknowledged)
	}
	for i, s := range run.Shards {
		if s.Acknowledged < run.Acknowledged/4 || s.ID != c.primaries[i].ask("CLUSTER", "MYSHARDID") || len(s.Turns) != 1 {
			t.Errorf("shard %+v of %d acknowledged writes", s, run.Acknowledged)
		}
	}
	for _, key := range []string{"123456789", "foo{}{bar}", "foo{{bar}}zap", "foo{bar}{zap}"} {
		if slot := fmt.Sprint(history.Slot(key)); c.primaries[0].ask("CLUSTER", "KEYSLOT", key) != slot {
			t.Errorf("%s is not in slot %s", key, slot)
		}
	}
}

func gracefulFailover(t *testing.T, c *cluster) {
	r := begin(t, clusterConfig(c))
	c.failover(1)
	awaitAcks(t, r, 1500)
	run := end(t, r)
	if run.Verdict != report.Proven || run.Interleaved != 0 || len(run.Handovers) != 1 {
		t.Fatalf("verdict %s, interleaved %d, handovers %+v", run.Verdict, run.Interleaved, run.Handovers)
	}
	h := run.Handovers[0]
	if h.Shard != run.Shards[1].Name || h.FromRunID != c.replicas[1].info("server")["run_id"] ||
		h.ToRunID != c.primaries[1].info("server")["run_id"] || h.GapMs <= 0 || len(h.Writes) == 0 {
		t.Errorf("handover %+v", h)
	}
	if *run.Cluster.MedianHandoverGapMs != h.GapMs || *run.Cluster.WorstHandoverGapMs != h.GapMs {
		t.Errorf("cluster %+v, want the gap %.3f ms", *run.Cluster, h.GapMs)
	}
	for i, s := range run.Shards {
		if want := i == 1; (s.Handovers == 1) != want || len(s.Turns) != 1+s.Handovers || (s.WorstHandoverGapMs != nil) != want {
			t.Errorf("shard %d: %+v", i, s)
		}
		t.Logf("%s: longest gap %.1f ms, worst writer %.1f ms, spacing %.1f ms", s.Name, s.LongestGapMs, s.WorstClientGapMs, s.SpacingMs)
	}
}

func fewRights(t *testing.T, c *cluster) {
	for _, s := range c.all() {
		s.do([]string{"ACL", "SETUSER", "app", "reset", "on", ">secret", "~ledger:*", "+set", "+get", "+unlink", "+readonly", "+info", "+command",
			"+cluster|myshardid", "+cluster|nodes", "+cluster|shards", "+cluster|slots"})
	}
	config := clusterConfig(c)
	config.Credentials = client.Credentials{Username: "app", Password: "secret"}
	config.Cleanup = true
	if run := end(t, begin(t, config)); run.Verdict != report.Proven || len(run.Errors) != 0 {
		t.Errorf("verdict %s, errors %v, problems %v", run.Verdict, run.Errors, run.Problems)
	}
}

func migration(t *testing.T, c *cluster) {
	config := clusterConfig(c)
	config.Rate = 0
	r := begin(t, config)
	awaitRounds(t, r)
	source, target := c.primaries[0], c.primaries[1]
	source.do([]string{"CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", "0", "999", "NODE", target.ask("CLUSTER", "MYID")})
	target.await("it owns the slots", func() bool { return target.owns(0) && target.owns(999) })
	awaitRounds(t, r)
	run := end(t, r)
	if run.Verdict != report.Proven || run.Interleaved != 0 || len(run.Handovers) != 0 || len(run.Errors) != 0 {
		t.Fatalf("verdict %s, interleaved %d, handovers %+v, errors %v", run.Verdict, run.Interleaved, run.Handovers, run.Errors)
	}
	moves, from, to := run.Cluster.Moves, run.Shards[0], run.Shards[1]
	if from.ID != source.ask("CLUSTER", "MYSHARDID") {
		t.Errorf("shards %+v, want them in the order of the slots that they had", run.Shards)
	}
	if len(moves) != 1 || moves[0].From != from.Name || moves[0].To != to.Name || moves[0].Slots != 1000 {
		t.Errorf("moves %+v, want 1,000 slots from %s to %s", moves, from.Name, to.Name)
	}
	if run.Cluster.SlotsCovered != history.Slots || run.Cluster.ImbalancePercent < 15 || from.Slots != 4461 || to.Slots != 6461 {
		t.Errorf("cluster %+v, %d and %d slots", *run.Cluster, from.Slots, to.Slots)
	}
}

// awaitRounds waits until each writer has been to all of its slots from now on. A
// number of writes of all together says less: without a rate, a fast one may go
// round twice while a slow one has slots left.
func awaitRounds(t *testing.T, r *Run) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	var until []int
	for _, w := range r.history.Writers {
		// One more, for the write that is under way.
		until = append(until, w.Len()+newSpread(w.ID, r.config.Writers).size+1)
	}
	for i, w := range r.history.Writers {
		for ; w.Len() < until[i]; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("writer %d has not been to all of its slots: %+v", w.ID, r.Progress())
			}
		}
	}
}

// The negative control: the primary that is alive does not hear at once that it
// is none any more.
func forcedFailover(t *testing.T, c *cluster) {
	r := begin(t, clusterConfig(c))
	old := c.primaries[2]
	// Deaf for however long the writers need: it must not call the cluster down by itself.
	old.do([]string{"CONFIG", "SET", "cluster-node-timeout", "600000"},
		[]string{"DEBUG", "DROP-CLUSTER-PACKET-FILTER", "-2"})
	c.failover(2, "FORCE")
	awaitAcks(t, r, 1000) // a third of them by old, and nobody else has them
	// valkey-go looks for the owners again when a connection breaks, go-redis does
	// not: now there are writers on both primaries. It may ask old itself who they
	// are, hence again after a while.
	sets, until := c.primaries[2].sets(), 0
	old.await("some writers have found the other primary", func() bool {
		if n := old.sets(); n >= until {
			old.do([]string{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"})
			until = n + 300
		}
		return c.primaries[2].sets() > sets+100
	})
	awaitAcks(t, r, 500)
	old.do([]string{"DEBUG", "DROP-CLUSTER-PACKET-FILTER", "-1"},
		[]string{"CONFIG", "SET", "cluster-node-timeout", "15000"})
	old.await("it follows", func() bool { return old.info("replication")["master_link_status"] == "up" })
	awaitAcks(t, r, 1000)
	run := end(t, r)
	if run.Verdict != report.Violated || run.Lost < 200 || run.Stale != run.Lost {
		t.Errorf("verdict %s, lost %d, stale %d; at least 200 were lost, on both nodes", run.Verdict, run.Lost, run.Stale)
	}
	if run.Interleaved == 0 || run.Cluster.Contested != 0 {
		t.Errorf("interleaved %d, contested %d; both primaries acknowledged, and no slot moved", run.Interleaved, run.Cluster.Contested)
	}
	shard := run.Shards[2].Name
	for i, n := range run.ReadBack {
		if (n.Missing > 0) != (n.Shard == shard) {
			t.Errorf("node %d: %+v; writes were lost in %s only", i, n, shard)
		}
	}
}

func damage(t *testing.T, c *cluster) {
	config := clusterConfig(c)
	config.SyncTimeout = 2 * time.Second
	r := begin(t, config)
	halt(r)
	lost := r.keys.Of(3, r.history.Writers[3].At(0))
	for i, p := range c.primaries {
		if p.owns(history.Slot(lost)) {
			p.do([]string{"DEL", lost})
			p.await("its replica has no such key either", func() bool { return p.offset() == c.replicas[i].offset() })
		}
	}
	c.replicas[2].kill()
	nowhere := fmt.Sprint(freePort(t))
	c.primaries[1].do([]string{"CLUSTER", "MEET", "127.0.0.1", nowhere, nowhere}) // a node that never answers
	run := end(t, r)
	if strays := run.Cluster.Strays; len(strays) != 1 || !strings.HasSuffix(strays[0], ":"+nowhere+" is handshake") || !strings.Contains(strings.Join(run.Problems, " "), strays[0]) {
		t.Errorf("strays %q, problems %q, want the node that was never there", strays, run.Problems)
	}
	if run.Verdict != report.Violated || run.Lost != 1 {
		t.Errorf("verdict %s, lost %d, want 1", run.Verdict, run.Lost)
	}
	unread := 0
	for _, n := range run.ReadBack {
		if n.Checked == 0 {
			unread += n.Missing
		}
	}
	if unread == 0 || run.Stale < unread || run.Stale > unread+1 {
		t.Errorf("stale %d, want the %d of the replica that is gone, and the lost one's if that is another's", run.Stale, unread)
	}
}

func (s *server) owns(slot uint16) bool {
	members, _ := client.ParseNodes(s.ask("CLUSTER", "NODES"))
	return slices.ContainsFunc(members, func(m client.Member) bool { return m.Myself && m.Slots[slot] })
}

// sets is how many SETs a server has executed.
func (s *server) sets() int {
	text, _, _ := strings.Cut(strings.TrimPrefix(s.info("commandstats")["cmdstat_set"], "calls="), ",")
	n, _ := strconv.Atoi(text)
	return n
}

func (s *server) offset() string {
	fields := s.info("replication")
	if fields["role"] == "master" {
		return fields["master_repl_offset"]
	}
	return fields["slave_repl_offset"]
}
