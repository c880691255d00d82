package topology

import "github.com/valkeeper/valkeeper/internal/model"

// cluster is shards that know each other.
type cluster struct {
	loner
	snap model.Snapshot
}

func newCluster(snap model.Snapshot) cluster { return cluster{snap: snap} }
