package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
)

// The picture's layout, in pixels.
const (
	pictureWidth  = 1100.0
	marginLeft    = 62.0
	marginRight   = 14.0
	labelRow      = 15.0
	labelRows     = 3
	latencyHeight = 210.0
	rateHeight    = 80.0
	laneHeight    = 20.0
	panelGap      = 32.0
	axisHeight    = 24.0
	maxPoints     = 700
	// shadeFromMs is how long a gap must be to be shaded.
	shadeFromMs = 25.0
)

// picture draws one run over time: latencies, acknowledged writes per second,
// and what happened to each pod.
type picture struct {
	*svg
	run    Run
	time   axis // ms -> pixel
	lanes  []lane
	top    float64 // of the latency panel
	bottom float64 // of the last panel
}

// draw returns the run's picture.
func draw(run Run) template.HTML {
	p := &picture{run: run, lanes: lanes(run)}
	if run.Cluster != nil {
		p.lanes = shardLanes(run, p.lanes)
	}
	p.top = labelRow*labelRows + 8
	p.bottom = p.top + latencyHeight + panelGap + rateHeight
	if len(p.lanes) > 0 {
		p.bottom += panelGap + laneHeight*float64(len(p.lanes))
	}
	p.svg = newSVG(pictureWidth, p.bottom+axisHeight, "latency, rate and pods over time of "+run.Strategy)
	p.time = axis{lo: 0, hi: max(run.Seconds*1000, 1), a: marginLeft, b: pictureWidth - marginRight}
	series := thin(run.Series)
	p.shade()
	p.timeAxis()
	p.latency(series, p.top)
	p.rate(series, p.top+latencyHeight+panelGap)
	p.pods(p.top + latencyHeight + panelGap + rateHeight + panelGap)
	p.moments()
	return p.done()
}

// thin joins buckets until there are at most maxPoints: the highest of the
// maxima and of the p99s, the middle one of the medians. It never hides a peak.
func thin(s Series) Series {
	n := (len(s.Acks) + maxPoints - 1) / maxPoints
	if n <= 1 {
		return s
	}
	out := Series{BucketMs: s.BucketMs * float64(n)}
	for i := 0; i < len(s.Acks); i += n {
		to := min(i+n, len(s.Acks))
		acks, errs := 0, 0
		var medians []float64
		for k := i; k < to; k++ {
			acks, errs = acks+s.Acks[k], errs+s.Errors[k]
			if s.Acks[k] > 0 {
				medians = append(medians, s.P50[k])
			}
		}
		slices.Sort(medians)
		median := 0.0
		if len(medians) > 0 {
			median = medians[len(medians)/2]
		}
		out.Acks, out.Errors = append(out.Acks, acks), append(out.Errors, errs)
		out.P50 = append(out.P50, median)
		out.P99 = append(out.P99, slices.Max(s.P99[i:to]))
		out.Max = append(out.Max, slices.Max(s.Max[i:to]))
	}
	return out
}

// shade marks the times without any acknowledged write through all panels. A
// cluster's are those of one shard each, and are in its row.
func (p *picture) shade() {
	if p.run.Cluster != nil {
		return
	}
	for _, g := range p.run.Gaps {
		if g.Ms < shadeFromMs {
			continue
		}
		x := p.time.at(g.StartMs)
		w := max(p.time.at(g.StartMs+g.Ms)-x, 1.5)
		tip := fmt.Sprintf("no acknowledged write for %s, from %.3f s", milliseconds(g.Ms), g.StartMs/1000)
		p.rect(x, p.top, w, p.bottom-p.top, "gap", tip)
		if w > 44 {
			p.text(x+w/2, p.top+14, "middle", "gaplabel", milliseconds(g.Ms))
		}
	}
}

func (p *picture) timeAxis() {
	seconds := axis{lo: 0, hi: p.time.hi / 1000}
	for _, t := range seconds.ticks(12) {
		x := p.time.at(t * 1000)
		p.line(x, p.top, x, p.bottom, "grid")
		p.text(x, p.bottom+16, "middle", "tick", fmt.Sprintf("%g s", math.Round(t*100)/100))
	}
}

func (p *picture) latency(s Series, top float64) {
	highest := 1.0
	lowest := 0.1
	for i := range s.Acks {
		highest = max(highest, s.Max[i])
		if s.Acks[i] > 0 {
			lowest = max(min(lowest, s.P50[i]), 0.01)
		}
	}
	y := decades(lowest, highest, top+latencyHeight, top)
	for _, t := range y.ticks(0) {
		p.line(marginLeft, y.at(t), pictureWidth-marginRight, y.at(t), "grid")
		p.text(marginLeft-8, y.at(t)+4, "end", "tick", tick(t))
	}
	for _, c := range []struct {
		values []float64
		class  string
	}{{s.Max, "max"}, {s.P99, "p99"}, {s.P50, "p50"}} {
		p.path(p.points(s, c.values, y), c.class)
	}
	p.text(marginLeft, top-6, "start", "panel", "write latency: ")
	for i, name := range []string{"p50", "p99", "max"} {
		x := marginLeft + 88 + float64(i)*52
		p.line(x, top-10, x+16, top-10, name)
		p.text(x+20, top-6, "start", "panel", name)
	}
}

// tick names a value of the latency axis, in ms.
func tick(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%g s", ms/1000)
	}
	return fmt.Sprintf("%g ms", ms)
}

func (p *picture) points(s Series, values []float64, y axis) [][2]float64 {
	out := make([][2]float64, 0, len(values))
	for i, v := range values {
		at := [2]float64{p.time.at(min((float64(i)+0.5)*s.BucketMs, p.time.hi)), math.NaN()}
		if s.Acks[i] > 0 {
			at[1] = y.at(v)
		}
		out = append(out, at)
	}
	return out
}

func (p *picture) rate(s Series, top float64) {
	perSecond := 1000 / max(s.BucketMs, 1)
	highest := 1.0
	for _, n := range s.Acks {
		highest = max(highest, float64(n)*perSecond)
	}
	y := axis{lo: 0, hi: highest * 1.1, a: top + rateHeight, b: top}
	for _, t := range y.ticks(3) {
		p.line(marginLeft, y.at(t), pictureWidth-marginRight, y.at(t), "grid")
		p.text(marginLeft-8, y.at(t)+4, "end", "tick", count(int(t)))
	}
	for i := range s.Acks {
		from := p.time.at(min(float64(i)*s.BucketMs, p.time.hi))
		to := p.time.at(min(float64(i+1)*s.BucketMs, p.time.hi))
		if n := s.Acks[i]; n > 0 {
			p.rect(from, y.at(float64(n)*perSecond), to-from+0.2, y.a-y.at(float64(n)*perSecond), "acks", "")
		}
		if n := s.Errors[i]; n > 0 {
			tip := fmt.Sprintf("%s failed writes within %g ms", count(n), s.BucketMs)
			p.rect(from, y.a-4, max(to-from, 1.5), 4, "errors", tip)
		}
	}
	p.text(marginLeft, top-6, "start", "panel", "acknowledged writes per second")
	p.rect(marginLeft+210, top-12, 14, 4, "errors", "")
	p.text(marginLeft+229, top-6, "start", "panel", "failed writes")
}
