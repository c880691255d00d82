package report

import (
	"fmt"
	"html/template"
	"strings"
)

const (
	zoomWidth  = 530.0
	zoomHeight = 200.0
	// maxZooms is how many handovers are shown close up.
	maxZooms = 8
)

// zoom draws every acknowledged write around one handover as a dot: when it was
// acknowledged, and how long it had taken. The two servers have two colours.
func zoom(run Run, h Handover) template.HTML {
	s := newSVG(zoomWidth, zoomHeight, "acknowledged writes around a handover")
	x := axis{lo: h.Writes[0][0], hi: h.Writes[len(h.Writes)-1][0], a: 52, b: zoomWidth - 12}
	if x.hi <= x.lo {
		x.hi = x.lo + 1
	}
	lowest, highest := 0.1, 1.0
	for _, w := range h.Writes {
		lowest, highest = max(min(lowest, w[1]), 0.01), max(highest, w[1])
	}
	y := decades(lowest, highest, zoomHeight-28, 24)
	for _, t := range y.ticks(0) {
		s.line(x.a, y.at(t), x.b, y.at(t), "grid")
		s.text(x.a-6, y.at(t)+4, "end", "tick", tick(t))
	}
	relative := axis{lo: x.lo - h.EndMs, hi: x.hi - h.EndMs, a: x.a, b: x.b}
	for _, t := range relative.ticks(7) {
		s.line(relative.at(t), y.b, relative.at(t), y.a, "grid")
		s.text(relative.at(t), y.a+16, "middle", "tick", signed(t))
	}
	left, right := x.at(max(h.StartMs, x.lo)), x.at(min(h.EndMs, x.hi))
	s.rect(left, y.b, max(right-left, 1), y.a-y.b, "gap", "")
	for _, w := range h.Writes {
		s.dot(x.at(w[0]), y.at(w[1]), 1.7, side(run, h, int(w[2])))
	}
	from, to := shortName(h.From), shortName(h.To)
	if h.Shard != "" {
		from, to = withoutInstance(from), withoutInstance(to)
	}
	title := fmt.Sprintf("%s → %s at %.2f s", from, to, h.EndMs/1000)
	if h.Shard != "" && !strings.HasPrefix(h.From, h.Shard) {
		title = h.Shard + ": " + title
	}
	s.text(x.a, 14, "start", "title", title)
	s.text(x.b, 14, "end", "gaplabel", fmt.Sprintf("gap %s, worst writer %s",
		milliseconds(h.GapMs), milliseconds(h.WorstClientGapMs)))
	return s.done()
}

// signed is a time relative to the handover.
func signed(ms float64) string {
	if ms <= -2000 || ms >= 2000 {
		return fmt.Sprintf("%+g s", ms/1000)
	}
	return fmt.Sprintf("%+g ms", ms)
}

// side is the class of a dot, by the server that acknowledged.
func side(run Run, h Handover, server int) string {
	if server < 0 || server >= len(run.Servers) {
		return "dotother"
	}
	switch run.Servers[server].RunID {
	case h.FromRunID:
		return "dotfrom"
	case h.ToRunID:
		return "dotto"
	default:
		return "dotother"
	}
}
