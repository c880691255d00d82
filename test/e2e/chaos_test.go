package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/chaos"
)

// Without a wish, a short part of a seed that is always the same: what fails for the
// first time here has to do with the change at hand.
const (
	shortSeed = "102"
	shortTime = "100s"
)

// Things break in an order that a seed decides, and every promise is kept.
//
//	VALKEEPER_SEED            what breaks
//	VALKEEPER_CHAOS_TIME      for how long episodes are begun
//	VALKEEPER_CHAOS_EPISODE   only this one, such as 3.2, or only this round, such as 3
func TestChaos(t *testing.T) {
	if cluster == nil {
		t.Skip("no Kubernetes: KUBECONFIG and VALKEEPER_OPERATOR_IMAGE are not set; make test-e2e sets them")
	}
	if cluster.Settings.Kind != "testbed" {
		t.Skip(bed.ErrNoTestbed)
	}
	o := chaosOptions(t)
	say("chaos: SEED=%d, for %s", o.seed, o.span)
	t.Logf("play it again: make chaos SEED=%d TIME=%s", o.seed, o.span)
	if err := cluster.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(chaosFolder()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	all := &chaos.Report{Seed: o.seed, Began: began}
	for n := max(o.round, 1); time.Since(began) < o.span; n++ {
		whole := chaos.RoundOf(o.seed, n)
		round := o.wanted(whole)
		t.Run(fmt.Sprintf("round %d %s", n, round.Setup.Topology), func(t *testing.T) {
			s := &stage{round: round, small: whole.FillsDisks(), report: all, end: began.Add(o.span)}
			// After the namespace, with all that uses them, is gone.
			t.Cleanup(func() {
				if err := s.disks.Drop(context.WithoutCancel(t.Context())); err != nil {
					t.Errorf("drop the small disks: %v", err)
				}
			})
			s.world = enter(t)
			s.play()
		})
		if o.round > 0 {
			break
		}
	}
	t.Logf("%s\n%s", all.Sentence(), strings.Join(all.Broken(), "\n"))
	say("chaos: %s Report: %s", all.Sentence(), filepath.Join(chaosFolder(), "index.html"))
	if len(all.Outcomes) == 0 {
		t.Error("not one episode was played")
	}
}

func chaosFolder() string { return filepath.Join(cluster.Settings.Out, "chaos") }

type options struct {
	seed uint64
	span time.Duration
	// round and episode are 0 for all.
	round, episode int
}

func chaosOptions(t *testing.T) options {
	t.Helper()
	var o options
	var err error
	if o.seed, err = strconv.ParseUint(cmp.Or(os.Getenv("VALKEEPER_SEED"), shortSeed), 10, 64); err != nil {
		t.Fatalf("VALKEEPER_SEED: %v", err)
	}
	if o.span, err = time.ParseDuration(cmp.Or(os.Getenv("VALKEEPER_CHAOS_TIME"), shortTime)); err != nil {
		t.Fatalf("VALKEEPER_CHAOS_TIME: %v", err)
	}
	if wish := os.Getenv("VALKEEPER_CHAOS_EPISODE"); wish != "" {
		round, episode, _ := strings.Cut(wish, ".")
		o.round, err = strconv.Atoi(round)
		if err == nil && episode != "" {
			o.episode, err = strconv.Atoi(episode)
		}
		if err != nil || o.round < 1 {
			t.Fatalf("VALKEEPER_CHAOS_EPISODE is %q: give a round and an episode, such as 3.2, or a round", wish)
		}
	}
	return o
}

// wanted leaves the episodes that are to be played.
func (o options) wanted(round chaos.Round) chaos.Round {
	if o.episode < 1 || o.episode > len(round.Episodes) {
		return round
	}
	round.Episodes = round.Episodes[o.episode-1 : o.episode]
	return round
}

// stage is an instance that goes through a round.
type stage struct {
	*world
	round    chaos.Round
	report   *chaos.Report
	end      time.Time
	instance *bed.Instance
	// small says that it needs small disks, for one of the round's is filled.
	small bool
	disks *bed.SmallDisks
}

// filler is how much data is in an instance besides the ledger's.
const filler = 2 << 20

// play plays a round: it makes the instance, and breaks things. When a promise was not
// kept the rest of the round would prove nothing.
func (s *stage) play() {
	say("round %d: %s", s.round.Number, s.round.Setup)
	wishes := wishesOf(s.round.Setup)
	if s.small {
		var err error
		s.disks, err = cluster.MakeSmallDisks(s.ctx, s.namespace)
		s.must(err)
		wishes = append(wishes, s.disks.Wish())
	}
	i, err := cluster.Make(s.ctx, s.namespace, "cache", wishes...)
	s.must(err)
	s.instance = i
	for k, e := range s.round.Episodes {
		if k > 0 && time.Now().After(s.end) {
			return
		}
		if k == 0 && e.During != chaos.Form {
			s.must(i.AwaitReady(s.ctx, toCome))
			s.must(i.Fill(s.ctx, filler))
		}
		outcome := s.episode(e)
		s.report.Outcomes = append(s.report.Outcomes, outcome)
		s.report.Seconds = time.Since(s.report.Began).Seconds()
		s.must(s.report.WriteTo(chaosFolder()))
		for _, what := range outcome.Broken {
			s.Errorf("episode %s: %s\nagain: %s", e.Name(), what, s.report.Replay(e))
		}
		if len(outcome.Broken) > 0 {
			return
		}
		if e.During == chaos.Form {
			s.must(i.Fill(s.ctx, filler))
		}
	}
}

func wishesOf(s chaos.Setup) []bed.Wish {
	var wishes []bed.Wish
	switch s.Topology {
	case chaos.Standalone:
		wishes = append(wishes, bed.Standalone())
	case chaos.Watched:
		wishes = append(wishes, bed.Watched(int32(s.Replicas)))
	case chaos.Cluster:
		wishes = append(wishes, bed.Sharded(int32(s.Shards), int32(s.Replicas)))
	default:
		wishes = append(wishes, bed.Replicas(int32(s.Replicas)))
	}
	switch s.Data {
	case chaos.AOF:
		wishes = append(wishes, bed.LogWrites())
	case chaos.Memory:
		wishes = append(wishes, bed.InMemory())
	case chaos.RDB:
	}
	return wishes
}

// episode plays one episode, and undoes what it has done, whatever becomes of it.
func (s *stage) episode(e chaos.Episode) chaos.Outcome {
	say("episode %s", e)
	a := &act{stage: s, episode: e, hit: map[string]int{}, watcher: chaos.Watch{Together: s.round.Setup.Topology == chaos.Cluster}}
	a.outcome = chaos.Outcome{Episode: e, Setup: s.round.Setup, Began: time.Now(), Broken: []string{}}
	defer a.undoAll()
	if err := a.run(s.ctx); err != nil {
		a.breaks("it could not be played to its end: " + err.Error())
	}
	a.undoAll()
	say("episode %s: %s", e.Name(), verdictOf(a.outcome))
	return a.outcome
}

func verdictOf(o chaos.Outcome) string {
	if len(o.Broken) > 0 {
		return "BROKEN: " + strings.Join(o.Broken, "; ")
	}
	return fmt.Sprintf("kept; lost %d of %d, longest gap %.0f ms, well again after %.0f s", o.Lost, o.Acknowledged, o.LongestGapMs, o.HealedSeconds)
}

// begin starts the ledger, on a host that nothing is going to happen to. While the
// instance forms there is none.
func (a *act) begin(ctx context.Context) (*bed.Ledger, error) {
	if a.episode.During == chaos.Form {
		return nil, nil //nolint:nilnil // nobody writes yet
	}
	host, err := a.safeHost(ctx)
	if err != nil {
		return nil, err
	}
	load := bed.Light.Expecting(int32(a.round.Setup.Replicas))
	if a.round.Setup.Topology == chaos.Cluster {
		load = light
	}
	load.Host, a.host = host, host
	ledger, err := a.instance.Write(ctx, load)
	if err != nil {
		return nil, err
	}
	return ledger, ledger.AwaitWrites(ctx, 200)
}
