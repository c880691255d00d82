package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

const (
	toCome = 5 * time.Minute
	toRoll = 10 * time.Minute
	// around is how many writes are seen before and after the rollout.
	around = 10_000
)

// stage is what a topology is shown with.
type stage struct {
	what   string
	wishes []bed.Wish
	load   bed.Load
	// shards is how often the role has to move in one rollout.
	shards int
	// others is what others do, to be shown as well: its name, and how it is done.
	others   string
	practice func(context.Context, *bed.Instance) error
}

var stages = map[v1alpha1.Topology]stage{
	v1alpha1.TopologyReplication: {
		what: "a primary and two replicas", load: bed.Measured.Expecting(2), shards: 1,
	},
	v1alpha1.TopologySentinel: {
		what: "a primary and two replicas, watched by three Sentinels", wishes: []bed.Wish{bed.Watched(2)},
		load: bed.Measured.Expecting(2), shards: 1,
		others: "plain SENTINEL FAILOVER", practice: func(ctx context.Context, i *bed.Instance) error { return i.PlainFailover(ctx) },
	},
	v1alpha1.TopologyCluster: {
		what: "three shards, each a primary and a replica", wishes: []bed.Wish{bed.Sharded(3, 1)},
		load: bed.Measured.Expecting(1), shards: 3,
	},
}

// show is one demonstration.
type show struct {
	topology v1alpha1.Topology
	stage    stage
	from, to string
	data     int
	say      func(string, ...any)
}

func (s show) run(ctx context.Context) error {
	settings := bed.FromEnvironment()
	if settings.Operator == "" || settings.Ledger == "" {
		return errors.New("it is not known which images to use: run it with `make demo`")
	}
	cluster, err := bed.Connect(ctx, settings, s.say)
	if err != nil {
		return err
	}
	s.say("installing the operator %s", settings.Operator)
	if err := cluster.InstallOperator(ctx); err != nil {
		return err
	}
	began := time.Now()
	namespace, err := cluster.MakeNamespace(ctx, "demo")
	if err != nil {
		return err
	}
	var runs report.Report
	if s.stage.practice != nil {
		one, err := s.practised(ctx, cluster, namespace)
		if err != nil {
			s.explain(cluster, namespace, began)
			return fmt.Errorf("%s: %w", s.stage.others, err)
		}
		runs = report.Merge(runs, report.Report{Topology: string(s.topology), Runs: []report.Run{one}})
	}
	for _, strategy := range []v1alpha1.RolloutStrategy{v1alpha1.StrategyRollingUpdate, v1alpha1.StrategyHandover} {
		one, err := s.change(ctx, cluster, namespace, strategy)
		if err != nil {
			s.explain(cluster, namespace, began)
			return fmt.Errorf("%s: %w", strategy, err)
		}
		runs = report.Merge(runs, report.Report{Topology: string(s.topology), Runs: []report.Run{one}})
	}
	out := folder(settings, s.topology)
	if err := runs.WriteTo(out); err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s\nreport: %s/report.html\n", table(runs.Runs), comparison(runs.Runs), out)
	s.say("removing the instances")
	return errors.Join(verdict(runs.Runs, s.stage.shards), cluster.DropNamespace(ctx, namespace))
}

// change makes an instance, changes its image under writes, and reads it back.
func (s show) change(ctx context.Context, cluster *bed.Cluster, namespace string, strategy v1alpha1.RolloutStrategy) (report.Run, error) {
	i, ledger, err := s.begin(ctx, cluster, namespace, string(strategy), s.stage.load, bed.Strategy(strategy))
	if err != nil {
		return report.Run{}, err
	}
	s.say("%s: changing the image to Valkey %s, under about %d writes a second", strategy, s.to, s.stage.load.Rate)
	if err := s.roll(ctx, i, ledger); err != nil {
		return report.Run{}, err
	}
	return s.end(ctx, i, ledger, string(strategy))
}

// practised does what others do, while the operator is away, and reads it back.
func (s show) practised(ctx context.Context, cluster *bed.Cluster, namespace string) (report.Run, error) {
	load := s.stage.load
	load.Practice = s.stage.others
	i, ledger, err := s.begin(ctx, cluster, namespace, "Others", load)
	if err != nil {
		return report.Run{}, err
	}
	s.say("%s: this is the practice of others; the operator is away, and then the old primary's pod is deleted", s.stage.others)
	if err := ledger.Note(ctx, s.stage.others); err != nil {
		return report.Run{}, err
	}
	if err := s.stage.practice(ctx, i); err != nil {
		return report.Run{}, err
	}
	if err := i.AwaitReady(ctx, toCome); err != nil {
		return report.Run{}, err
	}
	return s.end(ctx, i, ledger, s.stage.others)
}

// begin makes an instance with data in it, and writes to it.
func (s show) begin(ctx context.Context, cluster *bed.Cluster, namespace, title string, load bed.Load, wishes ...bed.Wish) (*bed.Instance, *bed.Ledger, error) {
	s.say("%s: making %s of Valkey %s, with %d MB of data", title, s.stage.what, s.from, s.data>>20)
	wishes = append(append(slices.Clone(s.stage.wishes), bed.Version(s.from)), wishes...)
	i, err := cluster.Make(ctx, namespace, strings.ToLower(title), wishes...)
	if err != nil {
		return nil, nil, err
	}
	if err := i.AwaitReady(ctx, toCome); err != nil {
		return nil, nil, err
	}
	if err := i.Fill(ctx, s.data); err != nil {
		return nil, nil, err
	}
	ledger, err := i.Write(ctx, load)
	if err != nil {
		return nil, nil, err
	}
	return i, ledger, ledger.AwaitWrites(ctx, around)
}

// end reads everything back.
func (s show) end(ctx context.Context, i *bed.Instance, ledger *bed.Ledger, title string) (report.Run, error) {
	if err := ledger.AwaitWrites(ctx, around); err != nil {
		return report.Run{}, err
	}
	s.say("%s: reading every acknowledged write back", title)
	run, err := ledger.Stop(ctx)
	if err != nil {
		return run, err
	}
	s.say("%s: %s", title, run.Sentence())
	// What is over shall not take the machine from what is measured next.
	return run, i.AwaitGone(ctx, toCome)
}

// roll changes the image and tells how the rollout goes, until it is complete.
func (s show) roll(ctx context.Context, i *bed.Instance, ledger *bed.Ledger) error {
	if err := ledger.Mark(ctx, "image change"); err != nil {
		return err
	}
	if err := i.Change(ctx, bed.Version(s.to)); err != nil {
		return err
	}
	telling, stop := context.WithCancel(ctx)
	defer stop()
	go s.tell(telling, i)
	return i.AwaitRolledOut(ctx, toRoll)
}

// tell says what `kubectl get` would show, whenever it changes.
func (s show) tell(ctx context.Context, i *bed.Instance) {
	last := ""
	for ctx.Err() == nil {
		if v, err := i.Get(ctx); err == nil {
			now := fmt.Sprintf("ready %s, primary %s, rollout: %s", v.Status.Ready, v.Status.Primary, v.Status.Rollout)
			if v.Spec.IsSentinel() {
				now = fmt.Sprintf("ready %s, Sentinels %s, primary %s, rollout: %s", v.Status.Ready, v.Status.SentinelsReady, v.Status.Primary, v.Status.Rollout)
			}
			if v.Spec.IsCluster() {
				now = fmt.Sprintf("ready %s, shards %s, slots %s, rollout: %s", v.Status.Ready, v.Status.ShardsReady, v.Status.Slots, v.Status.Rollout)
			}
			if now != last && ctx.Err() == nil {
				s.say("    %s", now)
			}
			last = now
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// explain prints what there is to know when it went wrong.
func (s show) explain(cluster *bed.Cluster, namespace string, began time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	short, err := cluster.Diagnose(ctx, namespace, folder(cluster.Settings, s.topology)+"/diagnosis", began)
	fmt.Println(short)
	if err != nil {
		s.say("not all could be found out: %v", err)
	}
	s.say("the namespace %s is kept, to look at", namespace)
}
