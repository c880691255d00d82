package chaos

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheSameSeedBreaksTheSameThingsAndAnotherOnesOthers(t *testing.T) {
	same, others := 0, 0
	for n := 1; n <= 50; n++ {
		if !reflect.DeepEqual(RoundOf(7, n), RoundOf(7, n)) {
			t.Errorf("round %d is another one the second time", n)
		}
		if reflect.DeepEqual(RoundOf(7, n), RoundOf(8, n)) {
			same++
		} else {
			others++
		}
	}
	if same > 0 || others == 0 {
		t.Errorf("%d of %d rounds are the same with another seed", same, same+others)
	}
}

// What a seed means is promised to whoever wrote one down: a change of this list is a
// change of all of them, and belongs into the CHANGELOG.
func TestASeedMeansTheSameTomorrow(t *testing.T) {
	var got []string
	for n := 1; n <= 2; n++ {
		r := RoundOf(1, n)
		got = append(got, r.Setup.String())
		for _, e := range r.Episodes {
			got = append(got, e.String())
		}
	}
	want := strings.Split(strings.TrimSpace(golden), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwanted\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const golden = `
Cluster 3×(1+1), AOF
1.1 during forming: freeze a primary of shard 2 after 4.2 s for 8.3 s
1.2 during a roll: kill the operator after 17.3 s
1.3 during scaling: kill a primary of shard 2 after 3.8 s
Standalone, AOF
2.1 during a roll: delete a primary after 16.2 s; kill the operator after 16.5 s
2.2 during a roll: cut the host of a primary after 16.8 s for 4.2 s
2.3 during a roll: drain the host of a primary after 15.1 s for 19.8 s
`

// all are the episodes of many seeds, with their setups.
func all(t *testing.T, look func(Setup, Episode)) {
	t.Helper()
	count := 0
	for seed := range uint64(40) {
		for n := 1; n <= 40; n++ {
			r := RoundOf(seed, n)
			for _, e := range r.Episodes {
				count++
				look(r.Setup, e)
			}
		}
	}
	if count != 40*40*perRound {
		t.Fatalf("%d episodes were looked at", count)
	}
}

func TestEveryTopologyAndEveryKindOfFaultHasItsTurnSoon(t *testing.T) {
	for seed := range uint64(100) {
		topologies, kinds := map[Topology]bool{}, map[Kind]bool{}
		for n := 1; n <= 4; n++ {
			r := RoundOf(seed, n)
			topologies[r.Setup.Topology] = true
			for _, e := range r.Episodes {
				kinds[e.Faults[0].Kind] = true
			}
		}
		kinds[FullDisk] = true // but in an instance without disks
		if len(topologies) != 4 || len(kinds) != len(Kinds) {
			t.Errorf("seed %d: in four rounds %d topologies and %d of %d kinds of faults", seed, len(topologies), len(kinds), len(Kinds))
		}
	}
}

func TestEverythingIsBrokenAtEveryTimeInEveryTopology(t *testing.T) {
	type what struct {
		topology Topology
		during   During
		kind     Kind
	}
	seen, roles, pairs := map[what]int{}, map[Role]int{}, 0
	all(t, func(s Setup, e Episode) {
		for _, f := range e.Faults {
			seen[what{s.Topology, e.During, f.Kind}]++
			roles[f.On]++
		}
		pairs += len(e.Faults) - 1
	})
	for _, topology := range topologies {
		for _, during := range []During{Idle, Roll, Scale, Form} {
			for _, kind := range Kinds {
				if topology == Standalone && (during == Scale || kind == FullDisk && during != Idle) {
					continue
				}
				if seen[what{topology, during, kind}] == 0 {
					t.Errorf("%s: never %s during %s", topology, kind, during)
				}
			}
		}
	}
	if roles[Primary] == 0 || roles[Replica] == 0 || roles[Sentinel] == 0 || pairs == 0 {
		t.Errorf("roles that were hit: %v; two at once: %d", roles, pairs)
	}
}

// Whoever asks for what cannot be kept proves nothing when it is lost.
func TestNoEpisodeTakesEveryCopyOrEverybodyWhoCouldTell(t *testing.T) {
	all(t, func(s Setup, e Episode) {
		hosts, forgetful, lastsBeside := 0, 0, false
		frozen := slices.ContainsFunc(e.Faults, func(f Fault) bool { return f.Kind == FreezeAPI })
		for _, f := range e.Faults {
			if f.Kind.OnHost() {
				hosts++
			}
			if traits[f.Kind].forgets {
				forgetful++
			}
			lastsBeside = lastsBeside || (frozen && f.Kind != FreezeAPI && f.Kind.Lasts())
			if f.Kind.Aimed() != (f.On != Nobody) || f.Kind.Lasts() != (f.For > 0) || f.After <= 0 {
				t.Errorf("%s is not whole: %+v", e, f)
			}
			if f.On == Sentinel && s.Topology != Watched || f.On == Replica && s.Replicas == 0 {
				t.Errorf("%s: %s has no %s", e, s, f.On)
			}
		}
		switch {
		case slices.ContainsFunc(e.Faults, func(f Fault) bool { return f.Kind == FullDisk }) && (s.Data == Memory || forgetful > 0):
			t.Errorf("%s: a full disk of %s", e, s)
		case hosts > 1:
			t.Errorf("%s: two of three hosts", e)
		case forgetful > 1 && s.Data != AOF:
			t.Errorf("%s: two may have lost their memory, and there is no log: %s", e, s)
		case lastsBeside:
			t.Errorf("%s: what needs the API server to be undone lasts beside its absence", e)
		case e.Ends() > time.Minute+10*time.Second:
			t.Errorf("%s lasts for %s", e, e.Ends())
		case e.During == Form && e.Number != 1:
			t.Errorf("%s: the instance is there already", e)
		}
	})
}
