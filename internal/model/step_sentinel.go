package model

import (
	"fmt"
	"time"
)

// WatchPrimary lets one Sentinel watch the shard's primary.
type WatchPrimary struct {
	Sentinel Ref
	Primary  Ref
	// Instead is whom it names now; empty when it watches nobody.
	Instead  string
	Settings WatchSettings
	Why      string
}

// SetWatch tells one Sentinel how it is to watch the primary.
type SetWatch struct {
	Sentinel Ref
	Settings WatchSettings
}

// ResetWatch makes one Sentinel forget replicas and other Sentinels that are no
// more. It finds again those that are.
type ResetWatch struct {
	Sentinel Ref
	Why      string
}

// Rank sets a node's replica-priority: with 0 no Sentinel promotes it.
type Rank struct {
	Node     Ref
	Priority int
	Why      string
}

// PauseWrites holds back the writes of a primary from which Sentinels fail over although
// it answers. What it acknowledged once they have promoted another one would be lost.
type PauseWrites struct {
	Node Ref
	For  time.Duration
	Why  string
}

// ScaleSentinels changes the number of pods of the Sentinels' StatefulSet.
type ScaleSentinels struct {
	Set      string
	From, To int
}

func (WatchPrimary) step()   {}
func (SetWatch) step()       {}
func (ResetWatch) step()     {}
func (Rank) step()           {}
func (PauseWrites) step()    {}
func (ScaleSentinels) step() {}

// Kind is watch-primary.
func (WatchPrimary) Kind() string { return "watch-primary" }

// Kind is set-watch.
func (SetWatch) Kind() string { return "set-watch" }

// Kind is reset-watch.
func (ResetWatch) Kind() string { return "reset-watch" }

// Kind is rank.
func (Rank) Kind() string { return "rank" }

// Kind is pause-writes.
func (PauseWrites) Kind() string { return "pause-writes" }

// Kind is scale-sentinels.
func (ScaleSentinels) Kind() string { return "scale-sentinels" }

// Disruptive is true: a Sentinel that names a wrong primary leads clients there.
func (WatchPrimary) Disruptive() bool { return true }

// Disruptive is false.
func (SetWatch) Disruptive() bool { return false }

// Disruptive is true: until it has found the others again it takes part in no
// election.
func (ResetWatch) Disruptive() bool { return true }

// Disruptive is true: a node that is ranked may be promoted.
func (Rank) Disruptive() bool { return true }

// Disruptive is false: the pause ends by itself, and a look before it would be a look in
// which writes are lost.
func (PauseWrites) Disruptive() bool { return false }

// Disruptive is true: a Sentinel that goes has a vote less.
func (s ScaleSentinels) Disruptive() bool { return s.To < s.From }

func (s WatchPrimary) String() string {
	return fmt.Sprintf("let %s watch %s (%s)", s.Sentinel.Name, s.Primary.Name, s.Why)
}

func (s SetWatch) String() string { return fmt.Sprintf("tell %s how to watch", s.Sentinel.Name) }

func (s ResetWatch) String() string { return fmt.Sprintf("reset %s (%s)", s.Sentinel.Name, s.Why) }

func (s Rank) String() string {
	return fmt.Sprintf("give %s the replica-priority %d (%s)", s.Node.Name, s.Priority, s.Why)
}

func (s PauseWrites) String() string {
	return fmt.Sprintf("hold back the writes of %s for %s (%s)", s.Node.Name, s.For, s.Why)
}

func (s ScaleSentinels) String() string {
	return fmt.Sprintf("scale from %d to %d Sentinels", s.From, s.To)
}

// Same compares the Sentinel, the primary and whom it names before.
func (s WatchPrimary) Same(other Step) bool {
	o, ok := other.(WatchPrimary)
	return ok && o.Sentinel == s.Sentinel && o.Primary == s.Primary && o.Instead == s.Instead
}

// Same compares the Sentinel and the settings.
func (s SetWatch) Same(other Step) bool {
	o, ok := other.(SetWatch)
	return ok && o == s
}

// Same compares the Sentinel.
func (s ResetWatch) Same(other Step) bool {
	o, ok := other.(ResetWatch)
	return ok && o.Sentinel == s.Sentinel
}

// Same compares the node and the priority.
func (s Rank) Same(other Step) bool {
	o, ok := other.(Rank)
	return ok && o.Node == s.Node && o.Priority == s.Priority
}

// Same compares the node.
func (s PauseWrites) Same(other Step) bool {
	o, ok := other.(PauseWrites)
	return ok && o.Node == s.Node
}

// Same compares both sizes.
func (s ScaleSentinels) Same(other Step) bool {
	o, ok := other.(ScaleSentinels)
	return ok && o == s
}
