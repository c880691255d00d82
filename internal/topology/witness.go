package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
)

// inquest finds out whether the primary of a shard is lost, when no node says
// that it is primary (topology Replication, and Standalone while it has an extra node;
// Sentinel and Cluster ask only whether a replica hears it still). A wrong verdict makes a second
// primary, and what is written to one of the two is lost; so the operator's own
// eyes are never enough, and neither is the word of Kubernetes.
//
// Who may be heard:
//
//   - The operator. It has not been answered for SilentFor. It may be cut off
//     itself: then it hears no replica either.
//   - The replicas. Each is linked to the primary, and says how long ago it heard
//     from it. One that has heard lately speaks for its life, whatever anybody else
//     says: also beside a pod that Kubernetes has forgotten or calls ended, whose
//     process may go on on a host that nobody reaches.
//   - The address. A server that has ended is refused at once, while one that is
//     frozen, or cut off, swallows what is sent. What refuses may be somebody on
//     the way, so it counts only if the replicas' links are broken too.
//   - Kubernetes. What it says of a pod that has ended is believed (Node.Dead), as
//     long as no replica says otherwise. A host that it has lost excuses a replica
//     that cannot be heard.
//
// So a silent primary counts as lost when it has been silent to us and to every
// replica that follows it for downAfter, at least one such replica in service has
// been heard, and none is missing that Kubernetes thinks well of. An operator that
// sees one node of three promotes nobody before Kubernetes has given up the third.
//
// Where it does not hold: a primary that is cut off from the operator and from all
// of its replicas, and not from its clients, is replaced while those write to it.
// What they write there is lost when it comes back. min-replicas-to-write bounds it
// (docs/losses.md).
type inquest struct {
	shard     model.Shard
	downAfter time.Duration
	// lone: no silence is long enough to promote another one.
	lone bool
}

// verdict is how the primary was lost, or the hold while it may not be.
func (q inquest) verdict() (how string, d model.Decision) {
	if h, alive := q.heardOf(); alive {
		return "", model.Wait(h)
	}
	var words []string
	for _, n := range suspects(q.shard) {
		said, h, lost := q.judge(n)
		if !lost {
			return "", model.Wait(h)
		}
		words = append(words, said)
	}
	return strings.Join(words, "; "), model.Decision{}
}

// heardOf finds a replica that hears from a primary which Kubernetes says is none
// any more.
func (q inquest) heardOf() (model.Hold, bool) {
	for _, w := range q.shard.Nodes {
		if !w.Server.Answered || w.Server.Role != model.RoleReplica || !q.hears(w) {
			continue
		}
		n, ours := nodeAt(q.shard.Nodes, w.Server.Follows)
		switch {
		case ours && (n.Server.Answered || !n.Dead):
			continue // it speaks for itself, or is judged as one that is silent
		case !ours && w.Server.Follows != q.shard.Traffic.Primary:
			continue // none of ours, or it was none that served
		}
		return q.hold(n, fmt.Sprintf("%s heard from it at %s %s ago: its process runs on, whatever Kubernetes says of its pod; "+
			"nothing is promoted before that link ends", w.Name, w.Server.Follows, seconds(w.Server.LastIO))), true
	}
	return model.Hold{}, false
}

// runsOn holds while a replica hears from a primary whose pod is gone, or has ended for
// Kubernetes: its process runs on for a moment, and takes writes which whoever is promoted
// then would lack. It is all that is asked where Sentinels elect.
func (q inquest) runsOn() model.Decision {
	for _, w := range q.shard.Nodes {
		if !w.Server.Answered || w.Server.Role != model.RoleReplica || !q.hears(w) {
			continue
		}
		if n, ours := nodeAt(q.shard.Nodes, w.Server.Follows); !ours || (n.Dead && !n.Server.Answered) {
			return model.Wait(hold(q.shard, model.PrimaryNotVisible, w.Name, fmt.Sprintf("it heard from its primary %s ago: "+
				"that one's process runs on, whatever Kubernetes says of its pod; nobody is promoted before that ends", seconds(w.Server.LastIO))))
		}
	}
	return model.Decision{}
}

// hears says that a replica has heard from its primary lately.
func (q inquest) hears(w model.Node) bool {
	return (w.Server.LinkUp || w.Server.Syncing) && w.Server.LastIO < q.limit(w.Server.Follows)
}

// limit is the silence of a primary, towards its replicas, that means something: one
// that pings seldom is silent for long while nothing is written.
func (q inquest) limit(primary string) time.Duration {
	n, ours := nodeAt(q.shard.Nodes, primary)
	if ours {
		return q.downAfter + idle(n)
	}
	var longest time.Duration // its pod is gone, and was like one of these
	for _, n := range q.shard.Nodes {
		if n.Phase != model.PodAbsent {
			longest = max(longest, idle(n))
		}
	}
	return q.downAfter + longest
}

// rounding: servers count in whole seconds, of a clock that they read once a second.
// So what they have not heard for six seconds, they have not heard for five.
const rounding = time.Second

// idle is by how much longer a replica's count has to be than the silence that is
// meant: a primary that is well may have had nothing to say for that long.
func idle(n model.Node) time.Duration {
	const often, byDefault = time.Second, 10 * time.Second
	switch {
	case n.PingEvery == 0:
		return rounding + byDefault
	case n.PingEvery <= often:
		return rounding
	}
	return rounding + n.PingEvery
}

// judge decides about one node that does not answer and may be primary.
func (q inquest) judge(n model.Node) (said string, h model.Hold, lost bool) {
	if q.lone || q.downAfter <= 0 {
		return "", q.hold(n, "it does not answer, and nothing is promoted in its place, however long that lasts: bring its server, or its host, back"), false
	}
	if n.Trouble != "" && !n.Refuses && n.SilentFor == 0 {
		return "", q.hold(n, n.Trouble), false
	}
	if !n.Refuses && n.SilentFor < q.downAfter {
		return "", q.hold(n, fmt.Sprintf("it has been silent for %s of %s (spec.recovery.downAfter)%s",
			tenths(n.SilentFor), q.downAfter, q.lastHeard(n))), false
	}
	if !q.followed(n) {
		return q.judgeUnfollowed(n)
	}
	witnesses, h, ok := q.hear(n)
	switch {
	case !ok:
		return "", h, false
	case len(witnesses) == 0:
		return "", q.hold(n, "it does not answer, and of those who follow it none is in service that could say whether it lives"), false
	case n.Refuses:
		return fmt.Sprintf("%s refuses connections, and %s lost the link to it", n.Name, strings.Join(witnesses, " and ")), h, true
	}
	return fmt.Sprintf("%s has been silent for %s, to %s as well", n.Name, tenths(n.SilentFor), strings.Join(witnesses, " and ")), h, true
}

// followed says that a replica which answers follows the node.
func (q inquest) followed(n model.Node) bool {
	return slices.ContainsFunc(q.shard.Nodes, func(w model.Node) bool { return follows(w, n) })
}

func follows(w, n model.Node) bool {
	return w.Server.Answered && w.Server.Role == model.RoleReplica && w.Server.Follows == n.Address
}

// judgeUnfollowed decides about a node that no replica can say anything of. It is not waited
// for if it was not the last primary, and either Kubernetes has lost its host, or
// the last primary itself answers, and is none any more.
func (q inquest) judgeUnfollowed(n model.Node) (said string, h model.Hold, lost bool) {
	last, known := q.shard.Node(q.shard.Memory.Primary)
	was := last.Name == n.Name || n.Address == q.shard.Traffic.Primary
	if !was && (n.HostLost || (known && last.Server.Answered)) {
		return fmt.Sprintf("%s has been silent for %s, and was not the primary", n.Name, tenths(n.SilentFor)), h, true
	}
	return "", q.hold(n, "it does not answer and may be primary, and no replica follows it that could say whether it lives"), false
}

// hear asks all others about one node. It is not ok while one of them has still to
// be heard, or has heard from it too lately.
func (q inquest) hear(n model.Node) (witnesses []string, h model.Hold, ok bool) {
	for _, w := range q.shard.Nodes {
		switch {
		case w.Name == n.Name, w.Phase == model.PodAbsent, w.Phase == model.PodPending:
			continue
		case !w.Server.Answered && (w.Dead || w.Refuses || w.HostLost):
			continue // nobody there to hear it, or nobody to be waited for
		case !w.Server.Answered:
			return nil, q.hold(n, fmt.Sprintf("%s does not answer either, and may hear it; "+
				"Kubernetes has not given up the host of %s", w.Name, w.Name)), false
		case !follows(w, n):
			continue // such as one that has just booted
		case q.hears(w):
			return nil, q.hold(n, fmt.Sprintf("%s heard from it %s ago: it lives, or did then; only the operator is not answered",
				w.Name, seconds(w.Server.LastIO))), false
		case !n.Refuses && q.linkDown(w) < q.downAfter+rounding:
			return nil, q.hold(n, fmt.Sprintf("the link of %s has been down for %s of %s", w.Name, seconds(w.Server.LinkDown), q.downAfter+rounding)), false
		}
		if w.InService {
			witnesses = append(witnesses, w.Name)
		}
	}
	return witnesses, model.Hold{}, true
}

// linkDown is how long a link has been down; one that stands, or is being made, is
// judged by what was heard over it.
func (q inquest) linkDown(w model.Node) time.Duration {
	if w.Server.LinkUp || w.Server.Syncing {
		return q.downAfter + rounding
	}
	return w.Server.LinkDown
}

// lastHeard is what its replicas say, for the person on call.
func (q inquest) lastHeard(n model.Node) string {
	text := ""
	for _, w := range q.shard.Nodes {
		switch {
		case !follows(w, n):
		case w.Server.LinkUp || w.Server.Syncing:
			text += fmt.Sprintf("; %s heard from it %s ago", w.Name, seconds(w.Server.LastIO))
		default:
			text += fmt.Sprintf("; the link of %s has been down for %s", w.Name, seconds(w.Server.LinkDown))
		}
	}
	return text
}

func (q inquest) hold(n model.Node, detail string) model.Hold {
	return hold(q.shard, model.PrimaryNotVisible, n.Name, detail)
}

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

func seconds(d time.Duration) string { return d.Round(time.Second).String() }
