package bed

import (
	"context"
	"errors"
	"fmt"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Primary is the pod that the status names, if it names one.
func (i *Instance) Primary(ctx context.Context) (string, error) {
	v, err := i.Get(ctx)
	if err == nil && v.Status.Primary == "" {
		err = fmt.Errorf("%s has no primary: %s", i.Name, Summary(v))
	}
	return v.Status.Primary, err
}

// Primaries are the pods that the status names, by shard. Without Cluster there
// is one shard, which is named as the instance is.
func (i *Instance) Primaries(ctx context.Context) (map[string]string, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return nil, err
	}
	if !v.Spec.IsCluster() {
		primary, err := i.Primary(ctx)
		return map[string]string{i.Name: primary}, err
	}
	return shardPrimaries(v)
}

func shardPrimaries(v *v1alpha1.Valkey) (map[string]string, error) {
	if len(v.Status.Shards) == 0 {
		return nil, fmt.Errorf("%s has no shards: %s", v.Name, Summary(v))
	}
	out := map[string]string{}
	var errs []error
	for _, s := range v.Status.Shards {
		out[s.Name] = s.Primary
		if s.Primary == "" {
			errs = append(errs, fmt.Errorf("%s has no primary: %s", s.Name, Summary(v)))
		}
	}
	return out, errors.Join(errs...)
}

// ShardName is the name of a Cluster's shard.
func (i *Instance) ShardName(k int) string {
	v := v1alpha1.Valkey{}
	v.Name, v.Spec.Topology = i.Name, v1alpha1.TopologyCluster
	return v.ShardName(k)
}
