package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// addShards adds what was found in each shard of a cluster, and over all.
func (r *Run) addShards(run *report.Run) {
	cast := r.cast()
	owned := r.history.Owners(cast.of)
	parts := r.history.Cut(cast.of, len(cast.ids), &owned.Owner)
	run.Interleaved = owned.Contested
	run.Cluster = r.cluster(cast, owned)
	var all []found
	for i, part := range parts {
		handovers := find(part, cast.names[i])
		all = append(all, handovers...)
		one := r.shard(cast, i, part, handovers)
		run.Shards = append(run.Shards, one)
		run.Interleaved += part.Interleaved()
		run.Gaps = append(run.Gaps, gaps(part, one.Name)...)
		run.WorstClientGapMs = max(run.WorstClientGapMs, one.WorstClientGapMs)
		run.LongestGapMs = max(run.LongestGapMs, one.LongestGapMs)
	}
	slices.SortStableFunc(run.Gaps, func(a, b report.Gap) int { return cmp.Compare(b.Ms, a.Ms) })
	run.Gaps = run.Gaps[:min(len(run.Gaps), maxGaps)]
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(a.End, b.End) })
	run.Handovers = r.handovers(all, maxHandovers*max(len(parts), 1))
	run.Cluster.MedianHandoverGapMs, run.Cluster.WorstHandoverGapMs = handoverGaps(all)
	r.addVain(run, &owned.Owner)
	r.nameShards(run, cast)
}

// cast is who plays in a cluster: its shards in the order in which they are
// shown, and the shard of each server.
type cast struct {
	ids, names []string
	of         []int // by server's number
}

// shardNumber is where the shard with an id stands, or Nobody.
func (c *cast) shardNumber(id string) int {
	if at := slices.Index(c.ids, id); at >= 0 {
		return at
	}
	return history.Nobody
}

// cast finds the shards that acknowledged writes or own slots. They are in the
// order of their names, if all have one, else of the first slots that they had.
func (r *Run) cast() *cast {
	c := &cast{}
	add := func(id string) {
		if id != "" && !slices.Contains(c.ids, id) {
			c.ids = append(c.ids, id)
		}
	}
	for _, s := range r.met {
		if r.settings.Registry.HasAcknowledged(s.RunID) {
			add(s.Shard)
		}
	}
	for _, s := range r.view.shards {
		add(s.id)
	}
	c.seat(r.met)
	c.order(r.history.Owners(c.of).First)
	for i, id := range c.ids {
		c.names = append(c.names, r.setOf(id))
		if c.names[i] == "" {
			c.names[i] = fmt.Sprintf("shard %d", i+1)
		}
	}
	c.orderByName()
	c.tellApart()
	c.seat(r.met)
	return c
}

// seat says for each server in which shard it plays.
func (c *cast) seat(met []client.ServerInfo) {
	c.of = nil
	for _, s := range met {
		c.of = append(c.of, c.shardNumber(s.Shard))
	}
}

// order puts the shards in the order of the first slots that they had.
func (c *cast) order(slots [history.Slots]int) {
	lowest := map[string]int{}
	for i, id := range c.ids {
		if lowest[id] = slices.Index(slots[:], i); lowest[id] < 0 {
			lowest[id] = history.Slots
		}
	}
	slices.SortStableFunc(c.ids, func(a, b string) int { return cmp.Compare(lowest[a], lowest[b]) })
}

// orderByName puts them in the order of their names: x-2 before x-10.
func (c *cast) orderByName() {
	places := make([]int, len(c.ids))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int {
		return cmp.Or(cmp.Compare(len(c.names[a]), len(c.names[b])), cmp.Compare(c.names[a], c.names[b]))
	})
	ids, names := slices.Clone(c.ids), slices.Clone(c.names)
	for i, place := range places {
		c.ids[i], c.names[i] = ids[place], names[place]
	}
}

// tellApart adds the ids to names that are not unique: a shard whose nodes all
// lost their identity is another one, in the same pods.
func (c *cast) tellApart() {
	names := slices.Clone(c.names)
	for i, name := range names {
		others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n != name })
		if len(others) > 1 {
			c.names[i] = fmt.Sprintf("%s (%.8s)", name, c.ids[i])
		}
	}
}

// setOf is the common StatefulSet of a shard's pods, or all of them if there are
// several; "" if no pod is known.
func (r *Run) setOf(shard string) string {
	if r.tracker == nil {
		return ""
	}
	var sets []string
	add := func(pod string) {
		if set := r.tracker.SetOf(pod); set != "" && !slices.Contains(sets, set) {
			sets = append(sets, set)
		}
	}
	for _, s := range r.met {
		if s.Shard == shard && r.settings.Registry.HasAcknowledged(s.RunID) {
			add(r.podOf(s.RunID))
		}
	}
	for _, s := range r.view.shards {
		if s.id == shard {
			add(r.podOf(s.goal.runID))
		}
	}
	slices.Sort(sets)
	return strings.Join(sets, "+")
}

// shard is the report on one of them.
func (r *Run) shard(c *cast, i int, part *history.History, handovers []found) report.Shard {
	out := report.Shard{
		Name: c.names[i], ID: c.ids[i], Acknowledged: part.Acknowledged(),
		SpacingMs: milliseconds(part.Spacing()), Handovers: len(handovers), Turns: []report.Turn{},
	}
	for _, s := range r.view.shards {
		if s.id == c.ids[i] {
			out.Slots += s.primary.Slots.Len()
			out.Ranges = ranges(&s.primary.Slots)
		}
	}
	if out.Acknowledged == 0 {
		return out
	}
	for _, g := range part.Gaps(1) {
		out.LongestGapMs = milliseconds(g.Length())
	}
	worst, _ := part.WorstClient()
	out.WorstClientGapMs = milliseconds(worst.Length())
	out.MedianHandoverGapMs, out.WorstHandoverGapMs = handoverGaps(handovers)
	for _, t := range part.Turns() {
		out.Turns = append(out.Turns, report.Turn{
			Server: r.nameOf(part.RunIDs[t.Server]), FromMs: milliseconds(t.From), ToMs: milliseconds(t.To),
		})
	}
	return out
}

// ranges writes slots as "0-5460 10923".
func ranges(slots *history.SlotSet) string {
	var out []string
	for slot := 0; slot < history.Slots; slot++ {
		if !slots[slot] {
			continue
		}
		last := slot
		for last+1 < history.Slots && slots[last+1] {
			last++
		}
		if last == slot {
			out = append(out, fmt.Sprint(slot))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", slot, last))
		}
		slot = last
	}
	return strings.Join(out, " ")
}

// handoverGaps are the median and the longest of the handovers' gaps.
func handoverGaps(handovers []found) (median, worst *float64) {
	all := make([]int64, 0, len(handovers))
	for _, h := range handovers {
		all = append(all, h.Gap.Length())
	}
	return middle(all)
}

// cluster is what can be said over all shards.
func (r *Run) cluster(c *cast, owned history.Ownership) *report.Cluster {
	out := &report.Cluster{
		SlotsCovered: r.view.covered(), ImbalancePercent: imbalance(r.view),
		Contested: owned.Contested, Moves: []report.Move{}, Strays: append([]string{}, r.view.strays...),
	}
	for _, m := range owned.Moves {
		out.Moves = append(out.Moves, report.Move{
			From: c.names[m.From], To: c.names[m.To], Slots: m.Slots,
			FirstMs: milliseconds(m.First), LastMs: milliseconds(m.Last),
		})
	}
	return out
}

// imbalance is by how much any shard is off an even share of the slots, in
// percent of that.
func imbalance(v view) float64 {
	worst := 0.0
	even := float64(v.covered()) / float64(max(len(v.shards), 1))
	for _, s := range v.shards {
		off := (float64(s.primary.Slots.Len()) - even) / even * 100
		worst = max(worst, off, -off)
	}
	return float64(int(worst*1000+0.5)) / 1000
}

// addVain adds the writers that in the end wanted to write to slots that nobody
// had ever acknowledged: they are in no shard's history.
func (r *Run) addVain(run *report.Run, owner *[history.Slots]int) {
	for _, w := range r.history.Writers {
		if w.Vain == nil || owner[w.Vain.Slot] != history.Nobody {
			continue
		}
		waited := milliseconds(w.Stopped - w.Vain.Since)
		run.WorstClientGapMs = max(run.WorstClientGapMs, waited)
		r.problem("writer %d wrote in vain to slot %d for the last %.0f ms, and nobody had acknowledged it before", w.ID, w.Vain.Slot, waited)
	}
}

// nameShards puts names in the place of ids, and says what could not be told.
func (r *Run) nameShards(run *report.Run, c *cast) {
	for i := range run.ReadBack {
		if at := c.shardNumber(run.ReadBack[i].Shard); at != history.Nobody {
			run.ReadBack[i].Shard = c.names[at]
		}
	}
	for i := range run.Servers {
		if at := c.of[i]; at != history.Nobody && run.Servers[i].Acknowledged > 0 {
			run.Servers[i].Shard = c.names[at]
		}
	}
	for _, s := range r.settings.Registry.Moved() {
		r.problem("server %.8s went to another shard after it had acknowledged writes in one: its writes are counted in the first", s.RunID)
	}
}
