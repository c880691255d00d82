package explore

import "fmt"

// Laws are the laws of the engine in one line each, from 14 on those of a
// cluster, 18 that of Sentinels, 19 that of a surge, and 20 that of drains; a Violation
// names one.
var Laws = map[int]string{
	0:  "every plan can be made, and every wait has a reason",
	1:  "a fresh, healthy node is never restarted",
	2:  "no second node is taken down, and none before the others are synced",
	3:  "a primary that has or should have a replica is never restarted",
	4:  "a handover's target is fresh and synced",
	5:  "role comes from the server; no second primary is made",
	6:  "a failed or unproven handover never leads to a restart, and waits",
	7:  "traffic moves and clients leave before the pod goes",
	8:  "pods are restarted within the budgets",
	9:  "no older copy wins, and no acknowledged write is lost",
	10: "never two failovers at once",
	11: "completion stays reachable",
	12: "a never-Ready pod whose revision is superseded is replaced first",
	13: "one shard's hold never takes another's step",
	14: "no more shards at work than may be, and a majority of primaries stays",
	15: "rollouts and migrations exclude each other in a shard",
	16: "nothing is taken over beside a node that may serve, or where a majority can vote",
	17: "no owner of slots is taken away, no lost data are replaced by an empty shard",
	18: "the Sentinels agree, and nobody promotes beside them",
	19: "nothing is touched before the extra node is in service, and it leaves last",
	20: "a role leaves a host that is to be emptied and a pod on its way out, and never goes to such a host",
}

// Violation is a law that was broken.
type Violation struct {
	Law  int
	Text string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("law %d (%s): %s", v.Law, Laws[v.Law], v.Text)
}
