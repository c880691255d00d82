package plan

import (
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// promotion makes the chosen copy the primary. One that has just been scaled in, and
// whose pod still runs, is called back first: promoted, it would take writes along to
// its end. The others were synced when it was let go, and have been lost since.
func promotion(rules topology.Rules, shard model.Shard, n model.Node, why string) model.Decision {
	if n.Ordinal >= shard.Size {
		return model.Do(model.Scale{From: shard.Size, To: n.Ordinal + 1})
	}
	return rules.Promotion(shard, n, why)
}
