package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// sentinelRecipe moves the primary's role under Sentinel, and returns who has it.
type sentinelRecipe struct {
	name string
	run  func(*testing.T, *Watch, *Clients, *Server) *Server
	// needs is the oldest version of Sentinels that can do it.
	needs Version
	loses bool // writes, so that none lost is not asked for
	only  bool // measured only if asked for
}

var sentinelRecipes = []sentinelRecipe{
	{name: "COORDINATED, hastened, UNPAUSE, hello", needs: V91, run: way(handover.WayCoordinated, false)},
	{name: "COORDINATED, hastened, UNPAUSE", needs: V91, run: way(handover.WayCoordinated, true)},
	{name: "FAILOVER TO, hastened, hello", run: way(handover.WayDirect, false)},
	{name: "FAILOVER TO, hastened, REMOVE and MONITOR", run: way(handover.WayDirect, true)},
	{name: "COORDINATED alone", needs: V91, run: bareCoordinated, only: true},
	{name: "plain SENTINEL FAILOVER", run: plainSentinelFailover, loses: true, only: true},
}

// pairing is who runs what.
type pairing struct{ data, sentinels Version }

var pairings = []pairing{{V91, V91}, {V81, V81}, {V81, V91}}

func TestGapsUnderSentinel(t *testing.T) {
	runs, all := gapRuns(t, 2)
	for _, p := range pairings {
		t.Run("servers "+string(p.data)+" sentinels "+string(p.sentinels), func(t *testing.T) {
			w := FormWatch(t, specs(3, p.data), specs(3, p.sentinels))
			primary := w.Data[0]
			for _, recipe := range sentinelRecipes {
				if recipe.only && !all || recipe.needs > p.sentinels {
					continue
				}
				t.Run(recipe.name, func(t *testing.T) { primary = measureUnderSentinel(t, w, recipe, primary, runs) })
			}
		})
	}
}

// A Sentinel writes its state and waits for the disk before it believes a hello.
func TestGapsUnderSentinelsThatKeepTheirStateOnDisk(t *testing.T) {
	runs, all := gapRuns(t, 0)
	if !all {
		t.Skipf("a measurement: set %s", EnvGapRuns)
	}
	sentinels := specs(3, V91)
	for i := range sentinels {
		sentinels[i].Sentinel = &SentinelSpec{ID: fmt.Sprintf("%040x", i+1), OnDisk: true}
	}
	w := FormWatch(t, specs(3, V91), sentinels)
	primary := w.Data[0]
	for _, recipe := range []sentinelRecipe{sentinelRecipes[0], sentinelRecipes[2]} {
		t.Run(recipe.name, func(t *testing.T) { primary = measureUnderSentinel(t, w, recipe, primary, runs) })
	}
}

func measureUnderSentinel(t *testing.T, w *Watch, recipe sentinelRecipe, primary *Server, runs int) *Server {
	var aware, named []time.Duration
	var losses []int
	acknowledged := 0
	for range runs {
		w.repoint(primary)
		w.WaitComplete(primary)
		clients := w.StartClients(t, primary)
		// Anywhere within the time between two looks of the Sentinels.
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		clients.ResetGap()
		primary = recipe.run(t, w, clients, primary)
		clients.WaitFor(100)
		if recipe.loses {
			w.repoint(primary)
			w.WaitComplete(primary)
		}
		clients.Stop()
		aware = append(aware, clients.Aware.Gap())
		named = append(named, clients.ByName.Gap())
		losses = append(losses, clients.Lost(primary))
		acknowledged += clients.Acknowledged()
		primary.Must("FLUSHALL")
	}
	t.Log("clients that ask Sentinels:")
	reportGaps(t, aware, slices.Clone(losses), acknowledged)
	t.Log("clients through a name:")
	reportGaps(t, named, losses, acknowledged)
	if most := slices.Max(losses); most > 0 && !recipe.loses {
		t.Errorf("lost up to %d", most)
	}
	return primary
}

// repoint has the others follow the primary, as the operator does, and waits.
func (w *Watch) repoint(primary *Server) {
	w.t.Helper()
	for _, s := range w.Data {
		if s == primary || !s.running() {
			continue
		}
		w.eventually(s.Addr()+" follows", func() string {
			info, ok := s.Info()
			if ok && info.Role == valkey.RoleReplica && info.PrimaryHost == primary.Announced() && info.PrimaryPort == primary.Port {
				return ""
			}
			if _, err := s.Do("REPLICAOF", primary.Announced(), itoa(primary.Port)); err != nil {
				return err.Error()
			}
			return "just told"
		})
		s.WaitSynced(primary)
	}
}

// way is a handover of ours.
func way(kind handover.Way, noHello bool) func(*testing.T, *Watch, *Clients, *Server) *Server {
	return func(t *testing.T, w *Watch, clients *Clients, primary *Server) *Server {
		result := w.HandOver(t, clients, primary, kind, noHello)
		took := w.at(result.TargetHost, itoa(result.TargetPort))
		t.Logf("%s: switch %v, agreed after %v, epoch %d, told %d, remade %d, %d acks, tell error %v", result.Way,
			result.Switch, result.Agreed, result.Epoch, len(result.Told), len(result.Remade), result.GetAcks, result.TellErr)
		if result.Agreeing != len(w.Sentinels) {
			t.Errorf("%d Sentinels agree", result.Agreeing)
		}
		return took
	}
}

// HandOver hands over from the primary to any of the others, and comes again while a
// gate refuses, as the operator does.
func (w *Watch) HandOver(t *testing.T, clients *Clients, primary *Server, kind handover.Way, noHello bool) handover.SentinelResult {
	t.Helper()
	var others []*Server
	for _, s := range w.Data {
		if s != primary {
			others = append(others, s)
		}
	}
	opt := w.Options()
	opt.Way, opt.NoHello = kind, noHello
	opt.OldHost, opt.OldPort = primary.Announced(), primary.Port
	opt.TargetHost, opt.TargetPort = others[0].Announced(), others[0].Port
	for _, s := range others[1:] {
		opt.Candidates = append(opt.Candidates, handover.Candidate{Server: s.Node(), Host: s.Announced(), Port: s.Port})
	}
	opt.OnPromoted = func(context.Context) error {
		for _, s := range others {
			if info, ok := s.Info(); ok && info.Role == valkey.RolePrimary {
				clients.Move(s)
			}
		}
		return nil
	}
	var result handover.SentinelResult
	Eventually(t, "the gates let the handover begin", func() bool {
		var err error
		result, err = handover.Sentinel(context.Background(), primary.Node(), others[0].Node(), w.Servers(), opt)
		if err != nil && !errors.Is(err, handover.ErrGate) {
			t.Fatalf("%v: %+v", err, result)
		}
		return err == nil
	})
	return result
}

func bareCoordinated(t *testing.T, w *Watch, clients *Clients, primary *Server) *Server {
	must(t, w.Sentinels[0].Node().SentinelFailoverCoordinated(context.Background(), MonitorName))
	return w.followRole(clients, primary)
}

func plainSentinelFailover(t *testing.T, w *Watch, clients *Clients, primary *Server) *Server {
	must(t, w.Sentinels[0].Node().SentinelFailover(context.Background(), MonitorName))
	return w.followRole(clients, primary)
}

// followRole moves the name as soon as another than the primary is one.
func (w *Watch) followRole(clients *Clients, primary *Server) *Server {
	w.t.Helper()
	var took *Server
	Eventually(w.t, "another one is primary", func() bool {
		for _, s := range w.Data {
			if info, ok := s.Info(); ok && s != primary && info.Role == valkey.RolePrimary {
				took = s
			}
		}
		return took != nil
	})
	clients.Move(took)
	return took
}
