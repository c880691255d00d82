package model

import (
	"fmt"
	"strings"
)

// Step is one thing to do to one shard. The set is closed: switches over it are
// checked to be exhaustive.
//
//sumtype:decl
type Step interface {
	// Same says whether other is the same intention: same kind, same pods,
	// same revision. Offsets and ages are no part of it.
	Same(other Step) bool
	// Disruptive steps are planned again from a fresh observation before they
	// are performed.
	Disruptive() bool
	// Kind is one word for all steps of its type, as metrics have it.
	Kind() string
	String() string
	step()
}

// Promote makes a replica the primary of a shard that has none.
type Promote struct {
	Node  Ref
	Means Means
	Why   string
	// Lost is the name of the primary in whose place it is promoted, when that one
	// was lost unplanned; empty otherwise.
	Lost string
}

// Follow points a node at the primary.
type Follow struct {
	Node    Ref
	Primary Ref
	Why     string
	// Demotes: the node is a primary until then, and has clients of its own, who
	// would sit on a server that refuses their writes.
	Demotes bool
}

// Publish makes Kubernetes show what the servers say: the Services' endpoints,
// the pods' role labels and readiness gates.
type Publish struct {
	// Primary and Replicas are the endpoints of the two Services. A topology
	// without replicas has the first Service alone.
	Primary  Ref
	Replicas []Ref
	// Nodes are the pods whose label, gate or drain mark differ from what they
	// ought to be.
	Nodes []Publication
}

// Publication is what one pod ought to show.
type Publication struct {
	Node      Ref
	Role      Role
	InService bool
	// EndDrain lifts a drain that is no longer wanted.
	EndDrain bool
}

// Scale changes the number of pods of the shard's StatefulSet.
type Scale struct {
	From, To int
}

// Drain takes a node out of the Services and sends its clients away.
type Drain struct {
	Node Ref
	// Start is true when the drain begins with this step.
	Start bool
}

// Handover moves the primary's role to a chosen replica with no acknowledged
// write lost.
type Handover struct {
	From, To Ref
	Revision string
}

// Restart evicts a pod so that it comes back with the newest revision.
type Restart struct {
	Node     Ref
	Revision string
	Why      string
}

func (Promote) step()  {}
func (Follow) step()   {}
func (Publish) step()  {}
func (Scale) step()    {}
func (Drain) step()    {}
func (Handover) step() {}
func (Restart) step()  {}

// Kind is promote.
func (Promote) Kind() string { return "promote" }

// Kind is follow.
func (Follow) Kind() string { return "follow" }

// Kind is publish.
func (Publish) Kind() string { return "publish" }

// Kind is scale.
func (Scale) Kind() string { return "scale" }

// Kind is drain.
func (Drain) Kind() string { return "drain" }

// Kind is handover.
func (Handover) Kind() string { return "handover" }

// Kind is restart.
func (Restart) Kind() string { return "restart" }

// Disruptive is true: a wrong promotion makes a second primary.
func (Promote) Disruptive() bool { return true }

// Disruptive is true: a node that follows another one gives up its own data.
func (Follow) Disruptive() bool { return true }

// Disruptive is false.
func (Publish) Disruptive() bool { return false }

// Disruptive is true: pods beyond the new size go.
func (s Scale) Disruptive() bool { return s.To < s.From }

// Disruptive is false: clients connect again elsewhere.
func (Drain) Disruptive() bool { return false }

// Disruptive is true.
func (Handover) Disruptive() bool { return true }

// Disruptive is true.
func (Restart) Disruptive() bool { return true }

func (s Promote) String() string { return fmt.Sprintf("promote %s (%s)", s.Node.Name, s.Why) }

func (s Follow) String() string {
	return fmt.Sprintf("let %s follow %s (%s)", s.Node.Name, s.Primary.Name, s.Why)
}

func (s Publish) String() string {
	names := make([]string, 0, len(s.Replicas))
	for _, r := range s.Replicas {
		names = append(names, r.Name)
	}
	return fmt.Sprintf("publish primary %s, replicas [%s]", s.Primary.Name, strings.Join(names, " "))
}

func (s Scale) String() string    { return fmt.Sprintf("scale from %d to %d pods", s.From, s.To) }
func (s Drain) String() string    { return "drain " + s.Node.Name }
func (s Handover) String() string { return fmt.Sprintf("hand over %s to %s", s.From.Name, s.To.Name) }
func (s Restart) String() string  { return fmt.Sprintf("restart %s (%s)", s.Node.Name, s.Why) }

// Same compares the promoted pod and the means.
func (s Promote) Same(other Step) bool {
	o, ok := other.(Promote)
	return ok && o.Node == s.Node && o.Means == s.Means
}

// Same compares both pods.
func (s Follow) Same(other Step) bool {
	o, ok := other.(Follow)
	return ok && o.Node == s.Node && o.Primary == s.Primary
}

// Same compares the endpoints.
func (s Publish) Same(other Step) bool {
	o, ok := other.(Publish)
	return ok && o.Primary == s.Primary
}

// Same compares both sizes.
func (s Scale) Same(other Step) bool {
	o, ok := other.(Scale)
	return ok && o == s
}

// Same compares the pod.
func (s Drain) Same(other Step) bool {
	o, ok := other.(Drain)
	return ok && o.Node == s.Node
}

// Same compares both pods and the revision.
func (s Handover) Same(other Step) bool {
	o, ok := other.(Handover)
	return ok && o == s
}

// Same compares the pod and the revision.
func (s Restart) Same(other Step) bool {
	o, ok := other.(Restart)
	return ok && o.Node == s.Node && o.Revision == s.Revision
}
