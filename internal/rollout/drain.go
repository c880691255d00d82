package rollout

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/topology"
)

// Drained answers with the next step of a node's drain, or with nothing once
// the node is out of the Services and its clients are gone or have had their
// time. An address that vanishes does not refuse, it swallows: so clients leave
// while somebody still answers them.
func Drained(rules topology.Rules, policy model.Policy, shard model.Shard, n model.Node) model.Decision {
	if !n.Draining {
		return model.Do(model.Drain{Node: n.Ref, Start: true})
	}
	if n.Server.Clients == 0 || n.DrainingFor >= policy.ClientDrain {
		return model.Decision{}
	}
	wait := model.Hold{Shard: shard.Name, Reason: model.ClientsLeaving, Node: n.Name,
		Detail: fmt.Sprintf("%d clients are still connected to it", n.Server.Clients),
		After:  policy.ClientDrain - n.DrainingFor}
	if !rules.SendsAway() {
		wait.Detail = fmt.Sprintf("%d clients still send commands to it", n.Server.Clients)
		return model.Wait(wait)
	}
	return model.Decision{Step: model.Drain{Node: n.Ref}, Holds: []model.Hold{wait}}
}
