package ledger

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// config is that of a short run against an address.
func config(addr string, replicas ...*server) Config {
	c := Defaults()
	c.Addr, c.Writers, c.SyncTimeout = addr, 8, 10*time.Second
	for _, r := range replicas {
		c.Replicas = append(c.Replicas, r.addr)
	}
	return c
}

func begin(t *testing.T, c Config) *Run {
	t.Helper()
	r, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stopWriting)
	awaitAcks(t, r, 200)
	return r
}

// awaitAcks waits until n more writes have been acknowledged.
func awaitAcks(t *testing.T, r *Run, n int64) {
	t.Helper()
	until := r.live.acked.Load() + n
	for deadline := time.Now().Add(2 * time.Minute); r.live.acked.Load() < until; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %d writes were acknowledged: %+v", n, r.Progress())
		}
	}
}

func end(t *testing.T, r *Run) report.Run {
	t.Helper()
	result, err := r.Stop(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	run := result.Runs[0]
	t.Logf("%s errors %v, handovers %d, problems %v", run.Sentence(), run.Errors, len(run.Handovers), run.Problems)
	return run
}

// halt stops the writers only, so that the test can change what was written
// before it is read back.
func halt(r *Run) {
	r.stopWriting()
	<-r.Written()
}

func TestAQuietRunIsProven(t *testing.T) {
	primary := startServer(t)
	replica := startReplica(t, primary)
	c := config(primary.addr)
	c.ExpectReplicas = 1 // found through the primary
	run := end(t, begin(t, c))
	if run.Verdict != report.Proven || len(run.ReadBack) != 2 || len(run.Handovers) != 0 || len(run.Errors) != 0 {
		t.Errorf("verdict %s, read back %+v, handovers %+v", run.Verdict, run.ReadBack, run.Handovers)
	}
	if run.ReadBack[1].RunID != replica.info("server")["run_id"] {
		t.Error("the replica was not the one read back")
	}
	libraries := map[string]int{}
	for _, w := range run.Writers {
		libraries[w.Library] += w.Acknowledged
	}
	if libraries["valkey-go"] == 0 || libraries["go-redis"] == 0 {
		t.Errorf("writes by library: %v, want both", libraries)
	}
}

func TestAHandoverIsSeenAndLosesNothing(t *testing.T) {
	old := startServer(t)
	next := startReplica(t, old)
	svc := startService(t, old)
	r := begin(t, config(svc.addr(), old))
	old.do([]string{"FAILOVER", "TO", "127.0.0.1", port(t, next), "TIMEOUT", "5000"})
	next.await("it is primary", func() bool { return next.info("replication")["role"] == "master" })
	svc.move(next)
	old.do([]string{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"})
	awaitAcks(t, r, 500)
	run := end(t, r)
	if run.Verdict != report.Proven || len(run.Handovers) != 1 {
		t.Fatalf("verdict %s, handovers %+v", run.Verdict, run.Handovers)
	}
	h := run.Handovers[0]
	if h.FromRunID == h.ToRunID || h.ToRunID != next.info("server")["run_id"] || h.GapMs <= 0 || h.WorstClientGapMs < h.GapMs {
		t.Errorf("handover %+v", h)
	}
}

// The negative control: a promotion without a pause, where the old primary goes
// on for half a second, loses what it acknowledged meanwhile.
func TestAnUnsafePromotionIsCaught(t *testing.T) {
	old := startServer(t)
	next := startReplica(t, old)
	svc := startService(t, old)
	r := begin(t, config(svc.addr(), old))
	next.do([]string{"REPLICAOF", "NO", "ONE"})
	awaitAcks(t, r, 300) // acknowledged by old, and nobody else has them
	svc.move(next)
	old.do(
		[]string{"REPLICAOF", "127.0.0.1", port(t, next)},
		[]string{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"})
	awaitAcks(t, r, 300)
	run := end(t, r)
	if run.Verdict != report.Violated || run.Lost < 250 {
		t.Errorf("verdict %s, lost %d; at least 250 were lost", run.Verdict, run.Lost)
	}
}

// The negative control of Interleaved: two primaries, some writers on each.
func TestTwoPrimariesAreCaught(t *testing.T) {
	old := startServer(t)
	next := startReplica(t, old)
	svc := startService(t, old)
	r := begin(t, config(svc.addr()))
	next.do([]string{"REPLICAOF", "NO", "ONE"})
	svc.move(next)
	old.do([]string{"CLIENT", "KILL", "ID", old.writer()}) // one writer comes over, the others stay
	awaitAcks(t, r, 500)
	run := end(t, r)
	if run.Interleaved == 0 || run.Verdict != report.Violated || run.Lost == 0 {
		t.Errorf("verdict %s, interleaved %d, lost %d", run.Verdict, run.Interleaved, run.Lost)
	}
}

func TestEachKindOfDamageIsCounted(t *testing.T) {
	for _, c := range []struct {
		name                  string
		damage                func(r *Run, primary, replica *server)
		lost, stale, diverged int
	}{
		{"nothing", func(*Run, *server, *server) {}, 0, 0, 0},
		{"a key removed on the primary", func(r *Run, p, _ *server) {
			p.do([]string{"DEL", r.keys.Key(3, 5)})
		}, 1, 1, 0},
		{"a key removed on the replica only", func(r *Run, _, s *server) {
			s.do([]string{"CONFIG", "SET", "replica-read-only", "no"}, []string{"DEL", r.keys.Key(0, 2)})
		}, 0, 1, 0},
		{"a value changed on the primary", func(r *Run, p, _ *server) {
			p.do([]string{"APPEND", r.keys.Key(1, 1), "x"})
		}, 0, 0, 2},
		{"a value changed on the replica only", func(r *Run, _, s *server) {
			s.do([]string{"CONFIG", "SET", "replica-read-only", "no"}, []string{"SET", r.keys.Key(1, 1), "other"})
		}, 0, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			primary := startServer(t)
			replica := startReplica(t, primary)
			r := begin(t, config(primary.addr, replica))
			halt(r)
			replica.await("it has caught up", func() bool {
				return replica.info("replication")["slave_repl_offset"] == primary.info("replication")["master_repl_offset"]
			})
			c.damage(r, primary, replica)
			run := end(t, r)
			if run.Lost != c.lost || run.Stale != c.stale || run.Diverged != c.diverged {
				t.Errorf("lost %d, stale %d, diverged %d; want %d, %d, %d",
					run.Lost, run.Stale, run.Diverged, c.lost, c.stale, c.diverged)
			}
		})
	}
}

func TestWhatCannotBeReadIsNotProven(t *testing.T) {
	primary := startServer(t)
	replica := startReplica(t, primary)
	c := config(primary.addr, replica)
	c.SyncTimeout = time.Second
	r := begin(t, c)
	halt(r)
	replica.kill()
	if run := end(t, r); run.Verdict == report.Proven || run.Stale != run.Acknowledged || run.Lost != 0 {
		t.Errorf("replica gone: verdict %s, stale %d, lost %d", run.Verdict, run.Stale, run.Lost)
	}
	primary = startServer(t)
	c = config(primary.addr)
	c.SyncTimeout = time.Second
	r = begin(t, c)
	primary.kill()
	if run := end(t, r); run.Verdict == report.Proven || run.Lost != run.Acknowledged || len(run.Problems) == 0 {
		t.Errorf("primary gone: verdict %s, lost %d of %d", run.Verdict, run.Lost, run.Acknowledged)
	}
	primary = startServer(t)
	c = config(primary.addr)
	c.ExpectReplicas = 1
	if run := end(t, begin(t, c)); run.Verdict != report.Unproven {
		t.Errorf("no replica where one is expected: verdict %s", run.Verdict)
	}
}

func TestAPauseShowsAsAGap(t *testing.T) {
	primary := startServer(t)
	r := begin(t, config(primary.addr))
	primary.do([]string{"CLIENT", "PAUSE", "400", "WRITE"})
	time.Sleep(500 * time.Millisecond)
	awaitAcks(t, r, 100)
	run := end(t, r)
	if run.LongestGapMs < 350 || run.LongestGapMs > 2000 || run.WorstClientGapMs < run.LongestGapMs {
		t.Errorf("longest gap %.1f ms, worst client %.1f ms; the pause was 400 ms", run.LongestGapMs, run.WorstClientGapMs)
	}
}

func TestAUserWithAPassword(t *testing.T) {
	primary := startServer(t)
	primary.do([]string{"ACL", "SETUSER", "app", "on", ">secret", "~*", "+@read", "+@write", "+@connection", "+info"})
	primary.do([]string{"ACL", "SETUSER", "default", "off"})
	c := config(primary.addr)
	c.Credentials = client.Credentials{Username: "app", Password: "secret"}
	if run := end(t, begin(t, c)); run.Verdict != report.Proven {
		t.Errorf("verdict %s", run.Verdict)
	}
	c.Credentials.Password = "wrong"
	r, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	halt(r)
	if errs := r.history.Errors(); errs["wrongpass"] == 0 || len(errs) != 1 {
		t.Errorf("errors %v, want wrongpass only", errs)
	}
}

func TestTheControlServer(t *testing.T) {
	primary := startServer(t)
	c := config(primary.addr)
	c.Cleanup = true
	r := begin(t, c)
	web := httptest.NewServer(r.Handler())
	defer web.Close()
	get := func(path string, want int) *http.Response {
		t.Helper()
		answer, err := http.Get(web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		if answer.StatusCode != want {
			t.Fatalf("%s: status %d, want %d", path, answer.StatusCode, want)
		}
		return answer
	}
	get("/healthz", 200)
	get("/report.json", 409)
	get("/mark?name=image+change&strategy=Handover&fromImage=valkey:8.1&toImage=valkey:9.1&topology=Replication", 200)
	var progress Progress
	if err := json.NewDecoder(get("/progress", 200).Body).Decode(&progress); err != nil {
		t.Fatal(err)
	}
	if progress.State != "writing" || progress.Acknowledged == 0 || progress.RunID == "" {
		t.Errorf("progress %+v", progress)
	}
	get("/stop", 200)
	get("/stop", 200)
	get("/report.html", 200)
	get("/history.csv", 200)
	var got report.Report
	if err := json.NewDecoder(get("/report.json", 200).Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	run := got.Runs[0]
	if got.Topology != "Replication" || run.Strategy != "Handover" || run.FromImage != "valkey:8.1" || run.Verdict != report.Proven {
		t.Errorf("report %+v", run)
	}
	if len(run.Events) != 1 || run.Events[0].Name != "image change" {
		t.Errorf("events %+v, want the mark", run.Events)
	}
	if n := primary.info("keyspace")["db0"]; n != "" {
		t.Errorf("keys are left after --cleanup: %s", n)
	}
	if err := got.WriteTo(t.TempDir()); err != nil {
		t.Error(err)
	}
}
