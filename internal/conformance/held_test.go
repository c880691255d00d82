package conformance

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Ways to persist, and how a server comes to have older data after it was killed:
// the last snapshot is older, or the host lost what the log had not synced.
var persisted = map[string]struct {
	fields   string
	remember func(p *clusterPod)
	goBack   func(p *clusterPod)
	// history: a held server knows which history its data are of, and how far.
	history bool
}{
	"snapshots": {
		fields:   `persistence: {mode: RDB}`,
		remember: func(p *clusterPod) { p.Must("SAVE") },
		goBack:   func(*clusterPod) {},
		history:  true,
	},
	"log": {
		fields: `persistence: {mode: AOF}`,
		remember: func(p *clusterPod) {
			p.onDisk()
			if err := os.CopyFS(p.file("older"), os.DirFS(p.file("data/appendonlydir"))); err != nil {
				p.t.Fatal(err)
			}
		},
		goBack: func(p *clusterPod) {
			if err := os.RemoveAll(p.file("data/appendonlydir")); err != nil {
				p.t.Fatal(err)
			}
			if err := os.Rename(p.file("older"), p.file("data/appendonlydir")); err != nil {
				p.t.Fatal(err)
			}
		},
	},
}

func eachPersisted(t *testing.T, run func(t *testing.T, version Version, kind string)) {
	t.Parallel()
	for _, version := range Versions {
		for kind := range persisted {
			t.Run(string(version)+" "+kind, func(t *testing.T) {
				t.Parallel()
				run(t, version, kind)
			})
		}
	}
}

// The control: this is what the guard is for.
func TestPrimaryOfAClusterThatComesBackWithOlderDataTakesThemFromItsReplica(t *testing.T) {
	eachPersisted(t, func(t *testing.T, version Version, kind string) {
		primary, replica, all := formPods(t, version, persisted[kind].fields)
		for _, p := range all { // it comes back in good time, however busy the machine is
			p.Must("CONFIG", "SET", "cluster-node-timeout", "60000")
			p.patient()
		}
		put(t, primary, "early", 50)
		persisted[kind].remember(primary)
		put(t, primary, "late", 200)
		primary.Kill()
		persisted[kind].goBack(primary)
		primary.bare = true
		primary.start()
		Eventually(t, "both have lost what was acknowledged", func() bool {
			for _, p := range []*clusterPod{primary, replica} {
				if view, ok := p.view(); !ok || !view.Cluster.OK || view.Info.Keys != 50 {
					return false
				}
			}
			return replica.isSyncedWith(primary) && primary.isPrimaryOfShard0()
		})
		if lost := missing(t, replica, "late", 200); lost != 200 {
			t.Errorf("%d of the newer keys are lost", lost)
		}
		if lost := missing(t, primary, "early", 50); lost != 0 {
			t.Errorf("of the older keys %d are lost: the control shows something else", lost)
		}
		t.Logf("without the guard 200 of 200 acknowledged and replicated keys are lost on both servers")
	})
}

func TestFormerPrimaryIsHeldBackUntilItHasBeenSuperseded(t *testing.T) {
	eachPersisted(t, func(t *testing.T, version Version, kind string) {
		primary, replica, all := formPods(t, version, persisted[kind].fields)
		put(t, primary, "early", 50)
		older, _ := primary.Info() // before the save: a ping to replicas after it is in no file
		persisted[kind].remember(primary)
		put(t, primary, "late", 200)
		id := primary.self().ID
		before, _ := primary.Info()

		killed := time.Now()
		primary.Kill()
		persisted[kind].goBack(primary)
		primary.start()
		primary.waitHeld()
		heldAfter := since(killed)
		held, _ := primary.Info()
		servesNobody(t, primary)
		if same := held.ReplID == before.ReplID && held.Offset >= older.Offset && held.Offset < before.Offset; same != persisted[kind].history {
			t.Errorf("it shows history %s up to %d; it was %s up to %d, and %d when it was killed",
				held.ReplID, held.Offset, before.ReplID, older.Offset, before.Offset)
		}
		if held.Keys != 50 {
			t.Errorf("it holds %d keys", held.Keys)
		}

		Eventually(t, "its replica is elected", replica.isPrimaryOfShard0)
		electedAfter := since(killed)
		Eventually(t, "the cluster is whole", func() bool { view, _ := all[1].view(); return view.Cluster.OK })
		if lost := missing(t, replica, "late", 200); lost != 0 {
			t.Errorf("the new primary lacks %d keys", lost)
		}
		replica.Must("SET", keyOfShard0+"newest", "x")
		if !primary.isHeld() {
			t.Errorf("it does not wait to be let go")
		}

		released := time.Now()
		served := watch(primary)
		primary.release()
		Eventually(t, "it follows the new primary", func() bool { return primary.isSyncedWith(replica) })
		followsAfter := since(released)
		if n := served(); n != 0 {
			t.Errorf("clients were served %d times by a copy that is out of date", n)
		}
		Eventually(t, "it has the newest write", func() bool { return missing(t, primary, "newest", 0) == 0 && primary.keys() == 251 })
		if lost := missing(t, primary, "late", 200) + missing(t, replica, "late", 200); lost != 0 {
			t.Errorf("%d keys are lost", lost)
		}
		if self := primary.self(); self.ID != id || !replica.isPrimaryOfShard0() {
			t.Errorf("it is %s now, and was %s", self.ID, id)
		}
		t.Logf("held %s after the kill with %d keys at offset %d (it was %d at its last save, %d when killed), replica elected after %s; synced %s after its release; 0 of 251 keys lost",
			heldAfter, held.Keys, held.Offset, older.Offset, before.Offset, electedAfter, followsAfter)
	})
}

// servesNobody: neither reads nor writes, and nothing of the cluster.
func servesNobody(t *testing.T, p *clusterPod) {
	t.Helper()
	for _, command := range [][]string{{"GET", keyOfShard0 + "early0"}, {"SET", keyOfShard0 + "early0", "y"}, {"CLUSTER", "SHARDS"}, {"SCAN", "0"}} {
		if reply, err := p.Do(command...); err == nil {
			t.Errorf("%v is answered with %q", command, reply)
		}
	}
	other := Start(t, Spec{Version: p.Spec.Version, Guard: true})
	if err := other.Node().ReplicaOf(context.Background(), p.Host, p.Port); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "nobody may synchronise from it", func() bool { return other.LogHas("Unable to AUTH to PRIMARY: -WRONGPASS") })
	time.Sleep(time.Second)
	if n := strings.Count(other.LogTail(10000), "sync started"); n > 5 {
		t.Errorf("who tries has tried %d times within a second", n)
	}
}

// watch asks the server for a key all the time, to read and to write it, as a
// client would that was told of it. It gives how often it was served.
func watch(p *clusterPod) (served func() int64) {
	var count atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			for _, command := range [][]string{{"GET", keyOfShard0 + "early0"}, {"SET", keyOfShard0 + "early0", "y"}} {
				if _, err := p.Do(command...); err == nil {
					count.Add(1)
				}
			}
		}
	}()
	return func() int64 { close(stop); <-done; return count.Load() }
}

func (p *clusterPod) keys() int64 {
	info, _ := p.Info()
	return info.Keys
}

func TestOnlyCopyServesAgainUnderItsOwnIdentityOnceItIsReleased(t *testing.T) {
	eachPersisted(t, func(t *testing.T, version Version, kind string) {
		primary, replica, all := formPods(t, version, persisted[kind].fields)
		put(t, primary, "early", 50)
		persisted[kind].remember(primary)
		id := primary.self().ID
		replica.Kill() // and its volume is lost
		primary.restart()
		primary.waitHeld()
		Eventually(t, "the others know that its slots have no server", func() bool { view, ok := all[1].view(); return ok && !view.Cluster.OK })
		released := time.Now()
		primary.release()
		Eventually(t, "it serves its slots", func() bool {
			_, err := primary.Do("SET", keyOfShard0+"again", "x")
			return err == nil
		})
		servesAfter := since(released)
		if lost := missing(t, primary, "early", 50); lost != 0 {
			t.Errorf("%d keys are lost", lost)
		}
		if self := primary.self(); self.ID != id || !primary.isPrimaryOfShard0() {
			t.Errorf("it is %s with %v now, and was %s", self.ID, self.Slots, id)
		}
		Eventually(t, "the cluster is whole", func() bool { view, _ := all[1].view(); return view.Cluster.OK })
		t.Logf("it takes writes again %s after its release", servesAfter)
	})
}

func TestDataThatHaveLostTheirIdentityAreNotServed(t *testing.T) {
	eachPersisted(t, func(t *testing.T, version Version, kind string) {
		primary, replica, _ := formPods(t, version, persisted[kind].fields)
		put(t, primary, "early", 50)
		persisted[kind].remember(primary)
		id := primary.self().ID
		primary.Kill()
		if err := os.Remove(primary.file("data/nodes.conf")); err != nil {
			t.Fatal(err)
		}
		primary.start()
		primary.waitHeld()
		if n := primary.keys(); n != 50 {
			t.Errorf("it shows %d keys", n)
		}
		Eventually(t, "its replica is elected", replica.isPrimaryOfShard0)
		primary.release()
		Eventually(t, "it is a new and empty server", func() bool {
			self := primary.self()
			return self.ID != "" && self.ID != id && len(self.Slots) == 0 && primary.keys() == 0
		})
		aside, err := os.ReadDir(primary.file("data/aside"))
		if err != nil || len(aside) != 1 {
			t.Errorf("its data are not kept: %v %v", aside, err)
		}
	})
}

func TestServerThatIsHeldBackEndsWhenItsPodDoes(t *testing.T) {
	eachPersisted(t, func(t *testing.T, version Version, kind string) {
		p := newPod(t, version, persisted[kind].fields)
		p.start()
		bus := p.self().BusPort
		p.restart()
		p.waitHeld()
		if listens(p.Host, bus) {
			t.Error("its bus is open: its peers take it for alive")
		}
		began := time.Now()
		p.Stop()
		t.Logf("ended %s after SIGTERM: %s", since(began), p.LogTail(1))
		if code := p.cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(p.LogTail(1), "it was asked to while it was held back") {
			t.Errorf("ended with %d:\n%s", code, p.LogTail(5))
		}
		if listens(p.Host, p.Port) || listens(p.Host, bus) {
			t.Error("a server was started")
		}
		if err := syscall.Kill(-p.cmd.Process.Pid, 0); err == nil {
			t.Error("a process is left over")
		}
	})
}

// A member of the cluster that is asked to end ends as any server does: it is the
// container's first process itself.
func TestServerThatJoinedIsTheFirstProcess(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			p := newPod(t, version, `persistence: {mode: RDB}`)
			p.start()
			view, _ := p.view()
			if pid := p.Must("INFO", "server"); !strings.Contains(pid, "process_id:"+strconv.Itoa(p.cmd.Process.Pid)) {
				t.Error("the server is the child of a shell, which would have to pass on every signal")
			}
			want := "default"
			if version != V81 {
				want = "failover"
			}
			if got := p.Must("CONFIG", "GET", "shutdown-on-sigterm"); !strings.HasSuffix(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
			if self := view.Nodes[0]; self.Host != p.Host || self.Hostname != "cart-shard-0-0.cart-nodes.shop.svc" {
				t.Errorf("it announces %s and %s", self.Host, self.Hostname)
			}
			p.Stop()
		})
	}
}
