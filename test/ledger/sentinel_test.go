package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// watched is a primary with two replicas, the three Sentinels that watch them, and
// the Service of the primary.
type watched struct {
	primary   *server
	replicas  []*server
	sentinels []*server
	service   *service
}

// startWatched starts all of them and waits until every Sentinel knows the others
// and both replicas. The password, if any, is for the Sentinels.
func startWatched(t *testing.T, password string) *watched {
	t.Helper()
	w := &watched{primary: startServer(t)}
	w.replicas = []*server{startReplica(t, w.primary), startReplica(t, w.primary)}
	w.service = startService(t, w.primary)
	for range 3 {
		w.sentinels = append(w.sentinels, startSentinel(t, w.primary, password))
	}
	for _, s := range w.sentinels {
		s.await("it knows the other Sentinels and both replicas", func() bool {
			return strings.Contains(s.info("sentinel")["master0"], "status=ok") &&
				strings.HasSuffix(s.info("sentinel")["master0"], "slaves=2,sentinels=3")
		})
	}
	return w
}

// startSentinel starts one that knows a primary as mymaster.
func startSentinel(t *testing.T, primary *server, password string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := "sentinel monitor mymaster 127.0.0.1 " + port(t, primary) + " 2\n" +
		"sentinel down-after-milliseconds mymaster 5000\nsentinel failover-timeout mymaster 10000\n"
	if password != "" {
		text += "requirepass " + password + "\nsentinel sentinel-pass " + password + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startProcess(t, root91, []string{file, "--sentinel", "--loglevel", "warning"})
	s.cred.Password = password
	s.await("it answers", func() bool { return s.info("sentinel")["sentinel_masters"] == "1" })
	return s
}

// config is that of a short run with clients of both kinds.
func (w *watched) config() Config {
	c := config(w.service.addr(), w.replicas...)
	c.Topology, c.ExpectReplicas = "Sentinel", 2
	for _, s := range w.sentinels {
		c.Sentinel.Addrs = append(c.Sentinel.Addrs, s.addr)
	}
	return c
}

// next waits until one of the replicas is primary, moves the Service there, and
// makes it the primary.
func (w *watched) next() {
	old := w.primary
	old.await("a replica has taken over", func() bool {
		i := slices.IndexFunc(w.replicas, func(s *server) bool { return s.info("replication")["role"] == "master" })
		if i >= 0 {
			w.primary, w.replicas[i] = w.replicas[i], old
		}
		return i >= 0
	})
	w.service.move(w.primary)
}

// replicaAddrs are those to be read back.
func (w *watched) replicaAddrs() []string {
	var out []string
	for _, r := range w.replicas {
		out = append(out, r.addr)
	}
	return out
}

func TestClientsOfBothKindsAtRest(t *testing.T) {
	w := startWatched(t, "of-sentinels")
	for _, s := range append(w.replicas, w.primary) {
		s.do([]string{"ACL", "SETUSER", "app", "reset", "on", ">of-data", "~ledger:*", "+set", "+mget", "+info", "+role"})
	}
	c := w.config()
	c.Credentials = client.Credentials{Username: "app", Password: "of-data"}
	c.Sentinel.Credentials = client.Credentials{Password: "of-sentinels"}
	r := begin(t, c)
	awaitRoundsOf(t, r, 50)
	run := end(t, r)
	if run.Verdict != report.Proven || len(run.Errors) != 0 || len(run.Handovers) != 0 || run.Unattributed != 0 {
		t.Errorf("verdict %s, errors %v, handovers %+v, unattributed %d", run.Verdict, run.Errors, run.Handovers, run.Unattributed)
	}
	acked := map[string]int{}
	for _, w := range run.Writers {
		acked[w.Kind+" "+w.Library] += w.Acknowledged
	}
	if len(acked) != 4 {
		t.Errorf("writes by kind and library: %v, want both libraries of both kinds", acked)
	}
	if len(run.Clients) != 2 || run.Clients[0].Acknowledged+run.Clients[1].Acknowledged != run.Acknowledged || run.Clients[1].MedianHandoverGapMs != nil {
		t.Errorf("clients %+v of %d writes", run.Clients, run.Acknowledged)
	}
	if len(run.Servers) != 1 || run.Servers[0].RunID != w.primary.info("server")["run_id"] {
		t.Errorf("servers %+v; nobody writes to a Sentinel or a replica", run.Servers)
	}
}

// awaitRoundsOf waits until each writer has had so many writes acknowledged.
func awaitRoundsOf(t *testing.T, r *Run, n int) {
	t.Helper()
	for _, w := range r.history.Writers {
		for deadline := time.Now().Add(time.Minute); w.Len() < n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("writer %d had no %d writes acknowledged: %+v", w.ID, n, r.Progress())
			}
		}
	}
}

func TestACoordinatedFailoverIsOneHandoverForBothKinds(t *testing.T) {
	w := startWatched(t, "")
	r := begin(t, w.config())
	awaitRoundsOf(t, r, 20)
	w.sentinels[0].do([]string{"SENTINEL", "FAILOVER", "mymaster", "COORDINATED"})
	w.next()
	r.config.Replicas = w.replicaAddrs()
	for _, wr := range r.history.Writers {
		before := wr.Len()
		w.primary.await(fmt.Sprintf("writer %d writes there", wr.ID), func() bool { return wr.Len() > before+50 })
	}
	run := end(t, r)
	if run.Verdict != report.Proven || len(run.Handovers) != 1 {
		t.Fatalf("verdict %s, handovers %+v", run.Verdict, run.Handovers)
	}
	h := run.Handovers[0]
	for i, kind := range []string{"service", "sentinel"} {
		one, sum := h.Crossing(kind), run.Clients[i]
		if one == nil || one.GapMs <= 0 || one.WorstClientGapMs < one.GapMs || one.WorstClientGapMs > h.WorstClientGapMs {
			t.Fatalf("%s: %+v of %+v", kind, one, h)
		}
		if sum.Kind != kind || *sum.MedianHandoverGapMs != one.GapMs || *sum.WorstHandoverClientGapMs != one.WorstClientGapMs {
			t.Errorf("%s: %+v, want the one handover's %+v", kind, sum, one)
		}
		t.Logf("%s: gap %.1f ms, worst writer %.1f ms", kind, one.GapMs, one.WorstClientGapMs)
	}
}

// Sentinels that are told of a primary by REMOVE and MONITOR announce none, and
// valkey-go waits for that: the other library's writers must not hide it.
func TestWritersThatAreLeftBehindShow(t *testing.T) {
	w := startWatched(t, "")
	r := begin(t, w.config())
	awaitRoundsOf(t, r, 20)
	old := w.primary
	old.do([]string{"FAILOVER", "TO", "127.0.0.1", port(t, w.replicas[0]), "TIMEOUT", "5000"})
	w.next()
	r.config.Replicas = w.replicaAddrs()
	for _, s := range w.sentinels {
		s.do([]string{"SENTINEL", "REMOVE", "mymaster"}, []string{"SENTINEL", "MONITOR", "mymaster", "127.0.0.1", port(t, w.primary), "2"})
	}
	old.do([]string{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"})
	awaitAcks(t, r, 3000)
	run := end(t, r)
	if run.Verdict != report.Proven || len(run.Handovers) != 1 {
		t.Fatalf("verdict %s, handovers %+v", run.Verdict, run.Handovers)
	}
	service, aware := run.Handovers[0].Crossing("service"), run.Handovers[0].Crossing("sentinel")
	if left := run.Writers[aware.WorstClient]; left.Library != "valkey-go" || left.Kind != "sentinel" || left.Errors["readonly"] == 0 {
		t.Errorf("of the aware writers %+v waited longest, want one that was left behind", left)
	}
	untilTheEnd := 1000*run.Seconds - run.Handovers[0].EndMs
	if aware.WorstClientGapMs < untilTheEnd || service.WorstClientGapMs > aware.WorstClientGapMs || aware.GapMs+untilTheEnd/2 > aware.WorstClientGapMs {
		t.Errorf("service %+v, aware %+v; one aware writer waited for the last %.0f ms, others did not", *service, *aware, untilTheEnd)
	}
}

// The negative control, and the practice of others: Sentinel promotes a replica
// while the old primary goes on for clients that keep their connection.
func TestAPlainSentinelFailoverLosesWrites(t *testing.T) {
	w := startWatched(t, "")
	c := w.config()
	c.Rate = 500
	r := begin(t, c)
	old := w.primary
	w.sentinels[0].do([]string{"SENTINEL", "FAILOVER", "mymaster"})
	w.next()
	r.config.Replicas = w.replicaAddrs()
	old.await("it follows", func() bool { return old.info("replication")["master_link_status"] == "up" })
	awaitAcks(t, r, 200)
	run := end(t, r)
	if run.Verdict != report.Violated || run.Lost < 100 || run.Interleaved == 0 {
		t.Errorf("verdict %s, lost %d, interleaved %d; the old primary went on for seconds", run.Verdict, run.Lost, run.Interleaved)
	}
}
