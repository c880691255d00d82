package controller

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// mendLogs has servers write their append-only files anew that would not be read again. It
// changes no role and no data, so it is no step, and no hold keeps it. A server whose users
// are older than that right refuses, and is left as it is.
func (r *Reconciler) mendLogs(ctx context.Context, creds servers.Credentials, snap model.Snapshot) {
	for _, shard := range snap.Shards {
		for _, n := range shard.Nodes {
			if !n.Server.LogTorn || !r.Observer.TornLogs.Due(n.UID) {
				continue
			}
			logger := log.FromContext(ctx).WithValues("pod", n.Name)
			node, err := r.Servers.Get(ctx, snap.Instance, n.UID, n.Address, creds)
			if err == nil {
				err = node.RewriteLog(ctx)
			}
			switch {
			case err == nil:
				logger.Info("a write to its append-only file had failed, so it writes that anew: it could not read it when it starts")
			case errors.Is(err, valkey.ErrAuth):
				logger.Error(err, "its append-only file may not be read when it starts, and it does not write it anew: run BGREWRITEAOF on it before it restarts")
				r.Observer.TornLogs.Leave(n.UID)
			default:
				logger.Error(err, "its append-only file may not be read when it starts; it is asked again to write it anew")
			}
		}
	}
}
