package plan

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
)

// unstarted deals with volume claims beyond Size while a primary is looked for. A
// StatefulSet that somebody has deleted comes back of another size than it had, and the
// newest data may be in the claim of a pod that it does not have any more: of the extra
// pod that was primary, or of one that was about to be scaled in. So that pod is started,
// and compared like the others; once there is a primary it is scaled in again.
//
// Which claims may be the newest: while the last primary is among the pods that are asked
// for, none; what lies beyond them was a replica's, or is older. If it was one of the
// others, or is not known, as after the whole resource was deleted and made anew, perhaps
// with fewer nodes, any of them. Where another primary is remembered, more pods than the
// operator may have made itself are left to a person: who knows how old their data are.
func unstarted(policy model.Policy, shard model.Shard) model.Decision {
	if last, ok := shard.Node(shard.Memory.Primary); ok && last.Ordinal < shard.Size {
		return model.Decision{}
	}
	var holds []model.Hold
	for _, l := range shard.Leftovers {
		name := fmt.Sprintf("%s-%d", shard.Name, l.Ordinal)
		last := name == shard.Memory.Primary
		if _, there := shard.Node(name); there || (l.Going && !last) {
			continue // its pod is a copy that is waited for; or its data were given up
		}
		if !l.Going && (last || l.Ordinal <= policy.Nodes || shard.Memory.Primary == "") {
			return model.Do(model.Scale{From: shard.Size, To: l.Ordinal + 1})
		}
		holds = append(holds, model.Hold{Shard: shard.Name, Reason: model.WaitingForCopies, Node: name, Detail: unstartable(shard, l)})
	}
	return model.Wait(holds...)
}

// unstartable says why the pod of a claim is not started, and what a person can do.
func unstartable(shard model.Shard, l model.Leftover) string {
	if l.Going {
		return fmt.Sprintf("it was the last primary, and its claim %s is being deleted: nobody is promoted before that has gone. "+
			"To keep its data set the reclaim policy of its volume to Retain; if the claim does not go, see its finalizers", l.Claim)
	}
	return fmt.Sprintf("its claim %s may hold newer data than any pod that runs, and no such pod is wished for. To have it compared: "+
		"kubectl scale statefulset %s --replicas=%d (it is scaled in again afterwards). If its data are not needed: kubectl delete pvc %s",
		l.Claim, shard.Name, l.Ordinal+1, l.Claim)
}
