package report

import (
	"fmt"
	"slices"
	"strings"
)

// lane is the row of one pod: its replacements, and the times in which its
// server acknowledged. In a cluster there is one for each shard too.
type lane struct {
	pod      string
	replaced []Replaced
	restarts []float64
	shard    *Shard // set if it is a shard's row
}

// lanes lists the pods to which something happened, or which acknowledged.
func lanes(run Run) []lane {
	byName := map[string]*lane{}
	get := func(name string) *lane {
		if byName[name] == nil {
			byName[name] = &lane{pod: name}
		}
		return byName[name]
	}
	for _, roll := range run.Rolls {
		for _, r := range roll.Pods {
			l := get(r.Pod)
			l.replaced = append(l.replaced, r)
		}
	}
	for _, e := range run.Events {
		if e.Kind == "restart" {
			l := get(e.Name)
			l.restarts = append(l.restarts, e.AtMs)
		}
	}
	for _, s := range run.Servers {
		if s.Pod != "" {
			get(s.Pod)
		}
	}
	var out []lane
	for _, l := range byName {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b lane) int {
		if len(a.pod) != len(b.pod) {
			return len(a.pod) - len(b.pod) // pod-9 before pod-10
		}
		if a.pod < b.pod {
			return -1
		}
		return 1
	})
	return out
}

// pods draws one row for each pod: which one acknowledged, and how each was
// replaced.
func (p *picture) pods(top float64) {
	if len(p.lanes) == 0 {
		return
	}
	p.legend(top)
	for i, l := range p.lanes {
		y := top + laneHeight*float64(i)
		p.line(marginLeft, y+laneHeight, pictureWidth-marginRight, y+laneHeight, "grid")
		if l.shard != nil {
			p.shardLane(*l.shard, y)
			continue
		}
		p.text(marginLeft-8, y+14, "end", "pod", shortPod(l.pod))
		for _, turn := range p.turns(l.pod) {
			p.rect(p.time.at(turn[0]), y+7, max(p.time.at(turn[1])-p.time.at(turn[0]), 1), 6, "acking", l.pod+" acknowledges")
		}
		for _, r := range l.replaced {
			p.replacement(r, y+3)
		}
		for _, at := range l.restarts {
			p.rect(p.time.at(at)-1.5, y+3, 3, laneHeight-6, "errors", l.pod+": container restarted")
		}
	}
}

// legend says what the colours of the rows mean.
func (p *picture) legend(top float64) {
	items := [][2]string{{"going", "terminating"}, {"starting", "until Ready"}, {"syncing", "until synced"}}
	if p.run.Cluster == nil {
		p.text(marginLeft, top-6, "start", "panel", "pods: ")
		p.colours(marginLeft+44, top, 122, append([][2]string{{"acking", "acknowledges"}}, items...))
		return
	}
	p.text(marginLeft, top-6, "start", "panel", "shards: ")
	p.colours(marginLeft+54, top, 140, [][2]string{{"shard", "acknowledges"}, {"nextshard", "the next server"}, {"shardgap", "nobody could write"}})
	if len(p.lanes) > len(p.run.Shards) {
		p.text(marginLeft+492, top-6, "start", "panel", "pods: ")
		p.colours(marginLeft+536, top, 122, append([][2]string{{"acking", "acknowledges"}}, items...))
	}
}

func (p *picture) colours(x, top, width float64, items [][2]string) {
	for i, item := range items {
		at := x + float64(i)*width
		p.rect(at, top-14, 14, 8, item[0], "")
		p.text(at+19, top-6, "start", "panel", item[1])
	}
}

// shortPod keeps the end of a name that does not fit beside the picture.
func shortPod(name string) string {
	if short := withoutInstance(name); short != name {
		return short
	}
	const fits = 9
	if len(name) <= fits {
		return name
	}
	return "…" + name[len(name)-fits+1:]
}

// withoutInstance leaves an instance's name out before that of its shard.
func withoutInstance(name string) string {
	if at := strings.LastIndex(name, "shard-"); at > 0 {
		return name[at:]
	}
	return name
}

// turns are the times, in ms, in which a pod's server acknowledged.
func (p *picture) turns(pod string) [][2]float64 {
	if p.run.Cluster != nil {
		return p.run.turnsOf(pod)
	}
	if len(p.run.Handovers) == 0 {
		if len(p.run.Servers) > 0 && p.run.Servers[0].Pod == pod {
			return [][2]float64{{0, p.time.hi}}
		}
		return nil
	}
	var out [][2]float64
	from := 0.0
	for i, h := range p.run.Handovers {
		if h.From == pod {
			out = append(out, [2]float64{from, h.StartMs})
		}
		from = h.EndMs
		if i == len(p.run.Handovers)-1 && h.To == pod {
			out = append(out, [2]float64{from, p.time.hi})
		}
	}
	return out
}

func (p *picture) replacement(r Replaced, y float64) {
	from := r.DeletionMs
	for _, step := range []struct {
		until *float64
		class string
		what  string
	}{{r.GoneMs, "going", "terminating"}, {r.ReadyMs, "starting", "until Ready"}, {r.SyncedMs, "syncing", "Ready, until synced"}} {
		until := p.time.hi
		if step.until != nil {
			until = *step.until
		}
		if until > from {
			tip := fmt.Sprintf("%s: %s for %s", r.Pod, step.what, milliseconds(until-from))
			p.rect(p.time.at(from), y, max(p.time.at(until)-p.time.at(from), 1), laneHeight-6, step.class, tip)
			from = until
		}
		if step.until == nil || r.Removed {
			return
		}
	}
}

// moments draws the marks and the handovers through all panels, with their
// names on top, in rows so that they do not cover each other.
func (p *picture) moments() {
	type moment struct {
		at          float64
		text, class string
	}
	var all []moment
	for _, e := range p.run.Events {
		if e.Kind == "mark" {
			all = append(all, moment{e.AtMs, e.Name, "mark"})
		}
	}
	for _, h := range p.run.Handovers {
		text := fmt.Sprintf("%s → %s: %s", shortName(h.From), shortName(h.To), milliseconds(h.GapMs))
		if h.Shard != "" {
			text = fmt.Sprintf("%s: %s", shortPod(h.Shard), milliseconds(h.GapMs))
		}
		all = append(all, moment{h.EndMs, text, "handover"})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return int(a.at - b.at) })
	var until [labelRows]float64
	for i, m := range all {
		x := p.time.at(m.at)
		p.line(x, p.top, x, p.bottom, m.class)
		width := float64(len([]rune(m.text)))*6.2 + 10
		left := min(x, pictureWidth-width)
		row := i % labelRows
		for r, end := range until {
			if end <= left {
				row = r
				break
			}
		}
		if until[row] > left {
			continue // too many to name each: the table has them all
		}
		until[row] = left + width
		y := labelRow*float64(row) + 11
		p.line(x, y+3, x, p.top, m.class)
		p.text(left+3, y, "start", m.class+"label", m.text)
	}
}

// shortName shortens a run id; pod names stay.
func shortName(name string) string {
	if len(name) == 40 { // run ids are 40 hexadecimal digits
		return name[:7]
	}
	return name
}
