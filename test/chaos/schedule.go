package chaos

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Topology is that of an instance, by the name that the resource uses.
type Topology string

// The topologies.
const (
	Standalone  Topology = "Standalone"
	Replication Topology = "Replication"
	Watched     Topology = "Sentinel"
	Cluster     Topology = "Cluster"
)

var topologies = []Topology{Standalone, Replication, Watched, Cluster}

// Data is where an instance keeps its data.
type Data string

// Where they can be: on a volume as a log of every write or as snapshots, or in
// memory alone.
const (
	AOF    Data = "AOF"
	RDB    Data = "RDB"
	Memory Data = "memory"
)

// Setup is an instance.
type Setup struct {
	Topology Topology `json:"topology"`
	// Shards is above 1 only for a Cluster. Replicas are those of each shard besides
	// its primary.
	Shards   int  `json:"shards"`
	Replicas int  `json:"replicas"`
	Data     Data `json:"data"`
}

// String is the instance in words.
func (s Setup) String() string {
	text := fmt.Sprintf("%s 1+%d", s.Topology, s.Replicas)
	if s.Topology == Standalone {
		text = string(s.Topology)
	}
	if s.Topology == Cluster {
		text = fmt.Sprintf("%s %d×(1+%d)", s.Topology, s.Shards, s.Replicas)
	}
	return text + ", " + string(s.Data)
}

// During is what the operator is at while things break.
type During string

// What it can be at.
const (
	Idle  During = "nothing"
	Roll  During = "a roll"
	Scale During = "scaling"
	Form  During = "forming"
)

// Episode is what happens to an instance between two moments at which all is well.
type Episode struct {
	Round  int     `json:"round"`
	Number int     `json:"number"`
	During During  `json:"during"`
	Faults []Fault `json:"faults"`
}

// Name is how an episode is called, and played again.
func (e Episode) Name() string { return fmt.Sprintf("%d.%d", e.Round, e.Number) }

// String is the episode in words.
func (e Episode) String() string {
	var faults []string
	for _, f := range e.Faults {
		faults = append(faults, f.String())
	}
	return fmt.Sprintf("%s during %s: %s", e.Name(), e.During, strings.Join(faults, "; "))
}

// Ends is when its last fault is over, from its beginning.
func (e Episode) Ends() time.Duration {
	var last time.Duration
	for _, f := range e.Faults {
		last = max(last, f.After+f.For)
	}
	return last
}

// Round is an instance and the episodes that it goes through.
type Round struct {
	Number   int       `json:"number"`
	Setup    Setup     `json:"setup"`
	Episodes []Episode `json:"episodes"`
}

// FillsDisks says that a volume is filled in it: then the instance needs small ones.
func (r Round) FillsDisks() bool {
	return slices.ContainsFunc(r.Episodes, func(e Episode) bool {
		return slices.ContainsFunc(e.Faults, func(f Fault) bool { return f.Kind == FullDisk })
	})
}

// perRound is how many episodes an instance goes through: forming one takes as long
// as an episode.
const perRound = 3

// RoundOf is the round with a number, from 1. In four rounds each topology has its
// turn, and each kind of fault.
func RoundOf(seed uint64, number int) Round {
	r := Round{Number: number, Setup: setup(seed, number)}
	for k := range perRound {
		r.Episodes = append(r.Episodes, episode(seed, r.Setup, number, k+1))
	}
	return r
}

// dice are thrown anew for everything that is named, so that nothing depends on how
// many throws came before.
func dice(seed uint64, name string, number int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", name, number)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// dealt is the number-th card (from 0) of a deck that is shuffled anew whenever it has
// been dealt: so everything has its turn.
func dealt[T any](seed uint64, name string, deck []T, number int) T {
	order := dice(seed, name, number/len(deck)).Perm(len(deck))
	return deck[order[number%len(deck)]]
}

func setup(seed uint64, number int) Setup {
	d := dice(seed, "setup", number)
	switch topology := dealt(seed, "topology", topologies, number-1); topology {
	case Standalone:
		// Without a log of its writes, one server alone promises nothing.
		return Setup{Topology: topology, Shards: 1, Data: AOF}
	case Cluster:
		return Setup{Topology: topology, Shards: 3, Replicas: 1, Data: AOF}
	default:
		return Setup{Topology: topology, Shards: 1, Replicas: 2, Data: []Data{AOF, RDB, Memory}[d.IntN(3)]}
	}
}

func episode(seed uint64, s Setup, round, number int) Episode {
	e := Episode{Round: round, Number: number}
	place := (round-1)*perRound + number - 1
	d := dice(seed, "episode", place)
	e.During = during(d, s, number)
	kind := dealt(seed, "kind", Kinds, place)
	switch {
	case kind == FullDisk && s.Data == Memory:
		kind = Freeze
	case kind == FullDisk && s.Topology == Standalone:
		// What the log did not take before writes are refused is in memory alone, and
		// a restart has nobody to hand it over to.
		e.During = Idle
	}
	first := fault(d, s, kind)
	first.After = moment(d, e.During)
	e.Faults = []Fault{first}
	if others := besides(s, first); len(others) > 0 && d.IntN(3) == 0 {
		e.Faults = append(e.Faults, another(d, s, first, others[d.IntN(len(others))]))
	}
	return e
}

func during(d *rand.Rand, s Setup, number int) During {
	if number == 1 && d.IntN(2) == 0 {
		return Form
	}
	what := []During{Idle, Roll, Roll, Scale}[d.IntN(4)]
	if what == Scale && s.Topology == Standalone {
		return Roll
	}
	return what
}

// moment is when a fault begins: a roll is soon over, and so is all else.
func moment(d *rand.Rand, at During) time.Duration {
	longest := map[During]time.Duration{Idle: 2 * time.Second, Form: 15 * time.Second, Roll: 20 * time.Second, Scale: 12 * time.Second}
	return between(d, 500*time.Millisecond, longest[at])
}

// between is a time in whole tenths of a second: it is read by people.
func between(d *rand.Rand, shortest, longest time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	return shortest + time.Duration(d.Int64N(int64((longest-shortest)/step)+1))*step
}

func fault(d *rand.Rand, s Setup, kind Kind) Fault {
	f := Fault{Kind: kind}
	if t := traits[kind]; t.longest > 0 {
		f.For = between(d, t.shortest, t.longest)
	}
	if kind.Aimed() {
		f.On, f.Shard, f.Pick = role(d, s, kind), d.IntN(s.Shards), d.IntN(6)
	}
	return f
}

// role is whom it hits: primaries above all.
func role(d *rand.Rand, s Setup, kind Kind) Role {
	throw := d.IntN(10)
	switch {
	case s.Topology == Standalone || throw < 6:
		return Primary
	case s.Topology == Watched && throw < 8 && !kind.OnHost() && kind != FullDisk:
		return Sentinel
	default:
		return Replica
	}
}

// besides are the kinds that can come with a fault.
func besides(s Setup, first Fault) []Kind {
	var out []Kind
	for _, kind := range Kinds {
		if together(s, first.Kind, kind) {
			out = append(out, kind)
		}
	}
	return out
}

// together says that two faults leave somebody who has the data, and somebody to ask.
func together(s Setup, first, second Kind) bool {
	one, other := traits[first], traits[second]
	switch {
	case first == second, first == FreezeAPI: // everything else is done through it
		return false
	case second == FreezeAPI:
		return !first.Lasts() // it may be undone through it
	case one.host && other.host:
		return false // there are three hosts, and the ledger needs one
	case first == FullDisk:
		return !other.forgets // what the log did not take is in memory alone
	case second == FullDisk:
		return s.Data != Memory && s.Topology != Standalone && !one.forgets
	case one.forgets && other.forgets:
		return s.Data == AOF // both could hold the last copy
	default:
		return true
	}
}

// another is a second fault, while the first lasts or shortly after it.
func another(d *rand.Rand, s Setup, first Fault, kind Kind) Fault {
	f := fault(d, s, kind)
	f.After = first.After + between(d, 300*time.Millisecond, max(first.For, 2*time.Second))
	if kind == FreezeAPI {
		// Nobody learns of the first fault from the API server.
		f.After = first.After + 300*time.Millisecond
	}
	return f
}
