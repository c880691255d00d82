package explore

import "github.com/valkeeper/valkeeper/internal/model"

// How far a pod is on its way out that was given its time (model.DepartWithin). A pod
// without a preStop step, or killed, is at TermNone until it is gone.
const (
	TermNone     uint8 = iota
	TermOperator       // the operator may begin to hand over
	TermHook           // its time has passed, and the preStop step may begin
	TermAsked          // the preStop step has asked for a failover: it does so once
)

// Leaver is a node as far as it may have to leave.
type Leaver struct {
	Name   string
	Evac   bool  // its host is to be emptied
	Ending bool  // its pod is on its way out
	Term   uint8 // how far, if it was given its time
}

// Leaves says that a primary has to go for a cause outside of its instance.
func (l Leaver) Leaves() bool { return l.Evac || l.Ending }

// View is what is seen of it.
func (l Leaver) View(out *model.Node) {
	if l.Evac {
		out.Evacuate = "its host is to be emptied"
	}
	if l.Term >= TermHook {
		out.TerminatingFor = model.DepartWithin
	}
}

// CheckLeaving is laws 10 and 20 when the operator moves a role. Better says that another
// replica could take over which may stay where it is.
func CheckLeaving(violate func(law int, format string, args ...any), from, to Leaver, better bool) {
	switch {
	case from.Term >= TermHook:
		violate(10, "it is the turn of the preStop step of %s", from.Name)
	case to.Evac && !from.Ending:
		violate(20, "the target %s has to leave its host", to.Name)
	case to.Evac && better:
		violate(20, "the target %s has to leave its host, and another one has not", to.Name)
	}
}

// Places are the names of the nodes in a set, each with a blank before it.
func Places(set uint8, names []string) (out string) {
	for i, name := range names {
		if set&(1<<i) != 0 {
			out += " " + name
		}
	}
	return out
}
