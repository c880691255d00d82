package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Server is what a server says of itself.
type Server struct {
	Pod, Shard string
	RunID      string
	Primary    bool
	Keys       int
	// Busy is set while it loads its data, or is sent all of them: then it has few.
	Busy bool
	// Linked says of a replica that it is linked to its primary.
	Linked bool
}

// Look is a look at all servers of an instance at about the same time.
type Look struct {
	At      time.Time
	Servers []Server
	// Whole is set if every pod that there should be was asked and answered.
	Whole bool
	// Calm is since when no fault is on, zero while one is.
	Calm time.Time
}

// settling is for how long two servers of a shard may both say that they are primary
// after all faults are over: one of them was cut off, and has to be seen and told.
const settling = 20 * time.Second

// Watch holds what was seen against what may never be seen.
type Watch struct {
	// Together is set if a node without slots says that it is primary: then two of
	// those are no offence.
	Together bool
	// Most is how many keys there have been; Looks how many looks were whole.
	Most, Looks int
}

// See takes a look in, and says what is wrong with it.
func (w *Watch) See(look Look) []string {
	var wrong []string
	if !w.Together {
		wrong = twoPrimaries(look)
	}
	if !look.Whole {
		return wrong
	}
	w.Looks++
	keys, busy := 0, slices.ContainsFunc(look.Servers, func(s Server) bool { return s.Busy })
	for _, most := range mostOf(look.Servers) {
		keys += most
	}
	w.Most = max(w.Most, keys)
	if !busy && keys < w.Most/2 {
		wrong = append(wrong, fmt.Sprintf("DATA WIPED: every server answers, none is loading, and of %d keys only %d are left anywhere", w.Most, keys))
	}
	return wrong
}

// Unsettled is what keeps an instance with so many shards from being well, by the
// servers' own word. A status that nobody has written anew tells of the time before.
func Unsettled(look Look, shards int) []string {
	var why []string
	if !look.Whole {
		why = append(why, "not every server answers")
	}
	primaries := map[string]int{}
	for _, s := range look.Servers {
		primaries[s.Shard] += 0
		switch {
		case s.Busy:
			why = append(why, s.Pod+" is loading")
		case s.Primary:
			primaries[s.Shard]++
		case !s.Linked:
			why = append(why, s.Pod+" has no link to its primary")
		}
	}
	if len(primaries) != shards {
		why = append(why, fmt.Sprintf("servers of %d shards answer, not of %d", len(primaries), shards))
	}
	for _, shard := range slices.Sorted(maps.Keys(primaries)) {
		if n := primaries[shard]; n != 1 {
			why = append(why, fmt.Sprintf("%d servers of shard %q say that they are primary", n, shard))
		}
	}
	return why
}

// mostOf is how many keys the fullest server of each shard has.
func mostOf(servers []Server) map[string]int {
	most := map[string]int{}
	for _, s := range servers {
		most[s.Shard] = max(most[s.Shard], s.Keys)
	}
	return most
}

// twoPrimaries finds shards with several, long after all is reachable.
func twoPrimaries(look Look) []string {
	if look.Calm.IsZero() || look.At.Sub(look.Calm) < settling {
		return nil
	}
	primaries := map[string][]string{}
	for _, s := range look.Servers {
		if s.Primary {
			primaries[s.Shard] = append(primaries[s.Shard], s.Pod)
		}
	}
	var wrong []string
	for _, pods := range primaries {
		if len(pods) > 1 {
			wrong = append(wrong, fmt.Sprintf("TWO PRIMARIES %s later than %s after all is reachable", strings.Join(pods, " and "), settling))
		}
	}
	slices.Sort(wrong)
	return wrong
}
