package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/test/bed"
	"github.com/valkeeper/valkeeper/test/chaos"
)

// strike does a fault when its time has come, and undoes it when that is over.
func (a *act) strike(ctx context.Context, f chaos.Fault) chaos.Struck {
	until(ctx, a.outcome.Began.Add(f.After))
	s := chaos.Struck{Fault: f, Began: time.Now()}
	victim := &corev1.Pod{}
	if f.Kind.Aimed() {
		var err error
		if victim, err = a.aim(ctx, &s); err != nil {
			s.Ended, s.Note = time.Now(), err.Error()
			return s
		}
	}
	free := a.taken(s)
	defer free()
	s.Began = time.Now()
	u, err := a.inflict(ctx, s, victim)
	s.Ended = time.Now()
	if err != nil {
		s.Note = join(s.Note, err.Error())
	}
	// What an error kept from being done whole may have been done in part.
	s.Done = err == nil || u != nil
	if u == nil {
		return s
	}
	until(ctx, s.Began.Add(s.Fault.For))
	if err := u.now(ctx); err != nil {
		a.breaks(err.Error())
	}
	s.Ended = time.Now()
	return s
}

func until(ctx context.Context, when time.Time) {
	timer := time.NewTimer(time.Until(when))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func join(a, b string) string { return strings.TrimPrefix(a+"; "+b, "; ") }

// aim finds whom a fault hits, and notes it. A host that the ledger is on cannot be
// taken from it: then only the pod is.
func (a *act) aim(ctx context.Context, s *chaos.Struck) (*corev1.Pod, error) {
	pods, note, err := a.candidates(ctx, s.Fault)
	if err != nil {
		return nil, err
	}
	s.Note = note
	p := pods[s.Fault.Pick%len(pods)]
	if s.Fault.Kind.OnHost() && s.Fault.Kind != chaos.Drain && p.Spec.NodeName == a.host {
		s.Note = join(s.Note, fmt.Sprintf("the ledger is on %s: instead of to %s, this was done to the pod", a.host, s.Fault.Kind))
		s.Fault.Kind = chaos.Freeze
	}
	s.Pods = []string{p.Name}
	if s.Fault.Kind.OnHost() {
		s.Host = p.Spec.NodeName
		s.Pods = nil
		all, err := a.instance.Pods(ctx)
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.Spec.NodeName == s.Host {
				s.Pods = append(s.Pods, other.Name)
			}
		}
	}
	return &p, nil
}

// candidates are the pods that have the role, of the shard that is meant. There may be
// none while an instance forms, or while the role is on its way: then any will do.
func (a *act) candidates(ctx context.Context, f chaos.Fault) (found []corev1.Pod, note string, err error) {
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = bed.Await(wait, 20*time.Second, func(ctx context.Context) (bool, string, error) {
		if f.On == chaos.Sentinel {
			found, err = a.instance.SentinelPods(ctx)
		} else {
			found, err = a.instance.Pods(ctx)
		}
		found = slices.DeleteFunc(found, func(p corev1.Pod) bool { return p.Status.Phase != corev1.PodRunning })
		return len(found) > 0, "no pod runs", err
	})
	if err != nil || f.On == chaos.Sentinel {
		return found, "", err
	}
	primary := a.leader(ctx, f.Shard)
	shard := func(p corev1.Pod) bool {
		return a.round.Setup.Topology != chaos.Cluster || strings.HasPrefix(p.Name, a.instance.ShardName(f.Shard)+"-")
	}
	of := slices.DeleteFunc(slices.Clone(found), func(p corev1.Pod) bool {
		return !shard(p) || (p.Name == primary) != (f.On == chaos.Primary)
	})
	if len(of) == 0 {
		return found, "there is no " + strings.TrimPrefix(string(f.On), "a ") + " now: any pod was taken", nil
	}
	return of, "", nil
}

// leader is the primary of a shard by the status, "" if it names none.
func (a *act) leader(ctx context.Context, shard int) string {
	primaries, err := a.instance.Primaries(ctx)
	if err != nil && len(primaries) == 0 {
		return ""
	}
	if a.round.Setup.Topology == chaos.Cluster {
		return primaries[a.instance.ShardName(shard)]
	}
	return primaries[a.instance.Name]
}

// safeHost is one for the ledger: not that of a pod whose host is going to be hit.
func (a *act) safeHost(ctx context.Context) (string, error) {
	hosts, err := cluster.HostNames(ctx)
	if err != nil {
		return "", err
	}
	for _, f := range a.episode.Faults {
		if !f.Kind.OnHost() || f.Kind == chaos.Drain {
			continue
		}
		pods, _, err := a.candidates(ctx, f)
		if err != nil {
			return "", err
		}
		hit := pods[f.Pick%len(pods)].Spec.NodeName
		hosts = slices.DeleteFunc(hosts, func(host string) bool { return host == hit })
	}
	operators, err := cluster.OperatorHost(ctx)
	if err != nil {
		operators = ""
	}
	if slices.Contains(hosts, operators) {
		return operators, nil
	}
	return hosts[0], nil
}

// taken notes that pods cannot be asked now, until the function that it returns says
// that they can.
func (a *act) taken(s chaos.Struck) func() {
	count := func(by int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, p := range s.Pods {
			a.hit[p] += by
		}
	}
	count(1)
	return func() { count(-1) }
}

// inflict does a fault. If it lasts, it returns what undoes it.
func (a *act) inflict(ctx context.Context, s chaos.Struck, victim *corev1.Pod) (*undo, error) {
	host := s.Host
	node := func(do, back string) (*undo, error) {
		u := a.later(do+" "+host, func(ctx context.Context) error { return cluster.Node(ctx, back, host) })
		return u, cluster.Node(ctx, do, host)
	}
	switch s.Fault.Kind {
	case chaos.Kill:
		return nil, cluster.Containers(ctx, "kill", victim)
	case chaos.Delete:
		return nil, cluster.Delete(ctx, victim)
	case chaos.DeleteNow:
		return nil, cluster.Delete(ctx, victim, client.GracePeriodSeconds(0))
	case chaos.KillOperator:
		return nil, cluster.KillOperator(ctx)
	case chaos.Freeze:
		u := a.later("freeze "+victim.Name, func(ctx context.Context) error { return cluster.Containers(ctx, "thaw", victim) })
		return u, cluster.Containers(ctx, "freeze", victim)
	case chaos.FreezeAPI:
		u := a.later("freeze the API server", func(ctx context.Context) error { return cluster.APIServer(ctx, "thaw") })
		return u, cluster.APIServer(ctx, "freeze")
	case chaos.FullDisk:
		return a.fill(ctx, victim)
	case chaos.Cut:
		return node("cut", "heal")
	case chaos.Slow:
		return node("slow", "quick")
	case chaos.FreezeHost:
		return node("freeze", "thaw")
	case chaos.Drain:
		return a.drain(ctx, host, s.Fault.For)
	}
	return nil, fmt.Errorf("nobody knows how to %s", s.Fault.Kind)
}

// fill fills a pod's disk.
func (a *act) fill(ctx context.Context, victim *corev1.Pod) (*undo, error) {
	disk, err := cluster.DiskOf(ctx, victim)
	if err != nil {
		return nil, err
	}
	u := a.later("fill the disk of "+victim.Name, func(ctx context.Context) error { return cluster.Disk(ctx, "free", disk) })
	return u, cluster.Disk(ctx, "fill", disk)
}

// drain goes on for at most so long.
func (a *act) drain(ctx context.Context, host string, span time.Duration) (*undo, error) {
	u := a.later("drain "+host, func(ctx context.Context) error { return cluster.Cordon(ctx, host, false) })
	draining, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	began := time.Now()
	left, err := a.instance.DrainFrom(draining, host)
	switch {
	case len(left) > 0:
		err = fmt.Errorf("not gone when the drain was given up: %s", strings.Join(left, ", "))
	case err == nil:
		say("    %s is drained after %.1f s", host, time.Since(began).Seconds())
	}
	return u, err
}
