package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/chaos"
)

// Every look starts a program in each pod, on a machine that does all the rest, too.
const (
	lookAgain = 4 * time.Second
	toAnswer  = 5 * time.Second
)

// watch looks at all servers again and again.
func (a *act) watch(ctx context.Context) {
	for ctx.Err() == nil {
		a.see(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
	}
}

func (a *act) see(ctx context.Context) {
	look, err := a.look(ctx)
	if err != nil {
		return // the API server may be what is broken
	}
	for _, wrong := range a.watcher.See(look) {
		a.breaks(wrong)
	}
}

// look asks all servers what they are.
func (a *act) look(ctx context.Context) (chaos.Look, error) {
	bounded, cancel := context.WithTimeout(ctx, toAnswer)
	defer cancel()
	v, err := a.instance.Get(bounded)
	if err != nil {
		return chaos.Look{}, err
	}
	pods, err := a.instance.Pods(bounded)
	if err != nil {
		return chaos.Look{}, err
	}
	look := chaos.Look{At: time.Now(), Whole: len(pods) == int(v.Spec.NodeCount()*v.Spec.ShardCount())}
	for _, p := range pods {
		s, err := a.ask(ctx, p)
		if err != nil {
			look.Whole = false
			continue
		}
		look.Servers = append(look.Servers, s)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	look.Calm = a.calm
	for _, s := range look.Servers {
		if a.pods == nil {
			a.pods = map[string]string{}
		}
		a.pods[s.RunID] = s.Pod
	}
	return look, nil
}

// ask asks a server, unless it is hit: what is asked of one that stands still piles
// up there.
func (a *act) ask(ctx context.Context, p corev1.Pod) (chaos.Server, error) {
	a.mu.Lock()
	hit := a.hit[p.Name] > 0
	a.mu.Unlock()
	if hit || p.Status.Phase != corev1.PodRunning {
		return chaos.Server{}, fmt.Errorf("%s cannot be asked now", p.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, toAnswer)
	defer cancel()
	info, err := a.instance.Info(ctx, p.Name)
	if err != nil {
		return chaos.Server{}, err
	}
	s := chaos.Server{
		Pod: p.Name, Shard: p.Labels[v1alpha1.ShardLabel], RunID: info["run_id"], Primary: info["role"] == "master",
		Linked: info["master_link_status"] == "up",
		Busy:   info["loading"] != "0" || info["async_loading"] == "1" || info["master_sync_in_progress"] == "1",
	}
	if text, ok := strings.CutPrefix(info["db0"], "keys="); ok {
		if _, err := fmt.Sscanf(text, "%d", &s.Keys); err != nil {
			return s, fmt.Errorf("keyspace of %s: %w", p.Name, err)
		}
	}
	return s, nil
}
