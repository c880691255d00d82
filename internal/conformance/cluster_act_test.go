package conformance

import (
	"context"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// do performs a step as the operator does, on servers that are nobody's pods. Each
// call is that of an operator that has just started. Its fresh look finds the step
// unchanged.
func do(ctx context.Context, step model.Step) (act.Outcome, error) {
	const name = "shard"
	pool := servers.NewPool()
	a := &act.Actor{
		Servers:   pool,
		Creds:     servers.Credentials{Username: OperatorUser, Password: Password},
		Migration: servers.Credentials{Username: MigrationUser, Password: Password},
		Valkey:    &v1alpha1.Valkey{Spec: v1alpha1.ValkeySpec{Topology: v1alpha1.TopologyCluster}},
		Replan: func(context.Context) (model.Snapshot, model.Plan, error) {
			return model.Snapshot{}, model.Plan{Steps: map[string]model.Step{name: step}}, nil
		},
	}
	defer pool.Keep("/", nil)
	return a.Do(ctx, name, step)
}

// ref is what the operator calls a pod.
func (s *Server) ref() model.Ref {
	return model.Ref{Name: s.Addr(), UID: s.Addr(), Address: s.Addr()}
}

func refs(all []*Server) []model.Ref {
	var out []model.Ref
	for _, s := range all {
		out = append(out, s.ref())
	}
	return out
}

func modelSlots(ranges ...valkey.SlotRange) model.Slots {
	var out []model.SlotRange
	for _, r := range ranges {
		out = append(out, model.SlotRange(r))
	}
	return model.NewSlots(out...)
}
