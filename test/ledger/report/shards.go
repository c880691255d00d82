package report

import (
	"cmp"
	"fmt"
	"slices"
)

// turnsOf are the times, in ms, in which a pod's server acknowledged in a cluster.
func (r Run) turnsOf(pod string) [][2]float64 {
	var out [][2]float64
	for _, s := range r.Shards {
		for _, t := range s.Turns {
			if t.Server == pod {
				out = append(out, [2]float64{t.FromMs, t.ToMs})
			}
		}
	}
	return out
}

// shardOf is the name of the shard that a pod belongs to, "" if that is not known.
func (r Run) shardOf(pod string) string {
	for _, s := range r.Servers {
		if s.Pod == pod && s.Shard != "" {
			return s.Shard
		}
	}
	for _, n := range r.ReadBack {
		if n.Name == pod && n.Shard != "" {
			return n.Shard
		}
	}
	return ""
}

// shardLanes puts each shard's row above those of its pods, and pods of no known
// shard below all.
func shardLanes(run Run, pods []lane) []lane {
	var out []lane
	for i := range run.Shards {
		out = append(out, lane{shard: &run.Shards[i]})
		for _, l := range pods {
			if run.shardOf(l.pod) == run.Shards[i].Name {
				out = append(out, l)
			}
		}
	}
	for _, l := range pods {
		if run.shardOf(l.pod) == "" {
			out = append(out, l)
		}
	}
	return out
}

// shardLane draws who acknowledged in a shard, when nobody could write to it, and
// its handovers with their gaps.
func (p *picture) shardLane(s Shard, y float64) {
	p.text(marginLeft-8, y+14, "end", "shardname", shortPod(s.Name))
	for i, t := range s.Turns {
		class := [...]string{"shard", "nextshard"}[i%2]
		x := p.time.at(t.FromMs)
		p.rect(x, y+4, max(p.time.at(t.ToMs)-x, 1), laneHeight-8, class, fmt.Sprintf("%s: %s acknowledges", s.Name, shortName(t.Server)))
	}
	for _, g := range p.run.Gaps {
		if g.Shard != s.Name || g.Ms < shadeFromMs {
			continue
		}
		x := p.time.at(g.StartMs)
		tip := fmt.Sprintf("%s: nobody could write for %s, from %.3f s", s.Name, milliseconds(g.Ms), g.StartMs/1000)
		p.rect(x, y+1, max(p.time.at(g.StartMs+g.Ms)-x, 2), laneHeight-2, "shardgap", tip)
	}
	free := 0.0
	for _, h := range p.run.Handovers {
		x := p.time.at(h.EndMs)
		if h.Shard != s.Name || x < free {
			continue // too close together to name each: the table has them all
		}
		text := milliseconds(h.GapMs)
		p.text(x+4, y+14, "start", "lanelabel", text)
		free = x + float64(len(text))*6.2 + 8
	}
}

// byShard are the handovers by shard, then by time.
func (r Run) byShard() []Handover {
	out := slices.Clone(r.Handovers)
	slices.SortStableFunc(out, func(a, b Handover) int {
		return cmp.Or(cmp.Compare(r.shardNumber(a.Shard), r.shardNumber(b.Shard)), cmp.Compare(a.EndMs, b.EndMs))
	})
	return out
}

func (r Run) shardNumber(name string) int {
	return slices.IndexFunc(r.Shards, func(s Shard) bool { return s.Name == name })
}
