package chaos

import (
	"fmt"
	"time"
)

// Kind is what is done.
type Kind string

// What can be done. Whatever lasts is undone at its end.
const (
	// Kill ends the server's process without a word: its container starts again.
	Kill Kind = "kill"
	// Freeze makes the server's process stand still, as a machine does that swaps.
	Freeze Kind = "freeze"
	// Delete deletes the pod, with the time that it asks for, as `kubectl delete` does.
	Delete Kind = "delete"
	// DeleteNow deletes the pod without any.
	DeleteNow Kind = "delete without grace"
	// Cut takes the link of the pod's host down.
	Cut Kind = "cut the host of"
	// Slow makes that link narrow.
	Slow Kind = "slow down the host of"
	// FreezeHost makes everything on the pod's host stand still.
	FreezeHost Kind = "freeze the host of"
	// FullDisk fills the pod's volume to the last byte.
	FullDisk Kind = "fill the disk of"
	// Drain cordons the pod's host and evicts the instance's pods from it, as
	// `kubectl drain` does.
	Drain Kind = "drain the host of"
	// KillOperator deletes the operator's pods without grace.
	KillOperator Kind = "kill the operator"
	// FreezeAPI makes the API server hang.
	FreezeAPI Kind = "freeze the API server"
)

// Kinds are all of them.
var Kinds = []Kind{Kill, Freeze, Delete, DeleteNow, Cut, Slow, FreezeHost, FullDisk, Drain, KillOperator, FreezeAPI}

// Role is whom it is done to.
type Role string

// Whom it can be done to. Who has the role is looked up when the fault begins.
const (
	Nobody   Role = ""
	Primary  Role = "a primary"
	Replica  Role = "a replica"
	Sentinel Role = "a Sentinel"
)

type trait struct {
	// aimed: somebody is hit. host: and all that is on the same host.
	aimed, host bool
	// shortest and longest are how long it lasts; 0 for what is over at once.
	shortest, longest time.Duration
	// takes: a primary that is hit is lost without a warning, and with it what it had
	// acknowledged and not yet sent on.
	takes bool
	// forgets: what was in the server's memory alone is gone.
	forgets bool
	// degrades: a replica that is hit falls behind.
	degrades bool
}

var traits = map[Kind]trait{
	Kill:         {aimed: true, takes: true, forgets: true, degrades: true},
	Freeze:       {aimed: true, shortest: 2 * time.Second, longest: 20 * time.Second, takes: true, degrades: true},
	Delete:       {aimed: true, forgets: true, degrades: true},
	DeleteNow:    {aimed: true, takes: true, forgets: true, degrades: true},
	Cut:          {aimed: true, host: true, shortest: 3 * time.Second, longest: 25 * time.Second, takes: true, degrades: true},
	Slow:         {aimed: true, host: true, shortest: 10 * time.Second, longest: 25 * time.Second, degrades: true},
	FreezeHost:   {aimed: true, host: true, shortest: 3 * time.Second, longest: 20 * time.Second, takes: true, degrades: true},
	FullDisk:     {aimed: true, shortest: 5 * time.Second, longest: 20 * time.Second, degrades: true},
	Drain:        {aimed: true, host: true, shortest: 10 * time.Second, longest: 25 * time.Second, forgets: true, degrades: true},
	KillOperator: {},
	FreezeAPI:    {shortest: 3 * time.Second, longest: 20 * time.Second},
}

// Aimed says that somebody in particular is hit.
func (k Kind) Aimed() bool { return traits[k].aimed }

// OnHost says that it is done to a whole host.
func (k Kind) OnHost() bool { return traits[k].host }

// Lasts says that it has to be undone.
func (k Kind) Lasts() bool { return traits[k].longest > 0 }

// Takes says that a primary which is hit is lost without a warning.
func (k Kind) Takes() bool { return traits[k].takes }

// Fault is one thing that is done in an episode.
type Fault struct {
	Kind Kind `json:"kind"`
	On   Role `json:"on,omitempty"`
	// Shard says of which shard, Pick which of those who have the role. Both are
	// taken modulo how many there are.
	Shard int `json:"shard"`
	Pick  int `json:"pick"`
	// After is when it begins, from the beginning of the episode; For how long it
	// lasts.
	After time.Duration `json:"afterNs"`
	For   time.Duration `json:"forNs"`
}

// String is the fault in words.
func (f Fault) String() string {
	out := string(f.Kind)
	if f.Kind.Aimed() {
		out += " " + string(f.On)
		if f.Shard > 0 {
			out += fmt.Sprintf(" of shard %d", f.Shard)
		}
	}
	out += fmt.Sprintf(" after %.1f s", f.After.Seconds())
	if f.Kind.Lasts() {
		out += fmt.Sprintf(" for %.1f s", f.For.Seconds())
	}
	return out
}
