package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// svg builds one picture. Positions and sizes are in pixels; classes are those
// of page.html.tmpl's style.
type svg struct {
	b             strings.Builder
	width, height float64
}

func newSVG(width, height float64, title string) *svg {
	s := &svg{width: width, height: height}
	fmt.Fprintf(&s.b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, html.EscapeString(title))
	return s
}

func (s *svg) done() template.HTML {
	s.b.WriteString("</svg>")
	return template.HTML(s.b.String()) //nolint:gosec // every text in it went through text or tip
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&s.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`, x1, y1, x2, y2, class)
}

// rect draws a box; tip, if not empty, is shown when the mouse rests on it.
func (s *svg) rect(x, y, w, h float64, class, tip string) {
	fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s">`, x, y, w, h, class)
	s.tip(tip)
	s.b.WriteString("</rect>")
}

func (s *svg) dot(x, y, r float64, class string) {
	fmt.Fprintf(&s.b, `<circle cx="%.1f" cy="%.1f" r="%g" class="%s"/>`, x, y, r, class)
}

// text writes a text; anchor is start, middle or end.
func (s *svg) text(x, y float64, anchor, class, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`,
		x, y, anchor, class, html.EscapeString(text))
}

func (s *svg) tip(tip string) {
	if tip != "" {
		fmt.Fprintf(&s.b, "<title>%s</title>", html.EscapeString(tip))
	}
}

// path draws a line through points; a point that is not a number breaks it.
func (s *svg) path(points [][2]float64, class string) {
	s.b.WriteString(`<path class="` + class + `" d="`)
	command := "M"
	for _, p := range points {
		if math.IsNaN(p[1]) {
			command = "M"
			continue
		}
		fmt.Fprintf(&s.b, "%s%.1f %.1f", command, p[0], p[1])
		command = "L"
	}
	s.b.WriteString(`"/>`)
}

// axis maps values to pixels, from the value lo at pixel a to hi at pixel b.
type axis struct {
	lo, hi, a, b float64
	log          bool
}

func (x axis) at(v float64) float64 {
	lo, hi := x.lo, x.hi
	if x.log {
		v, lo, hi = math.Log10(max(v, lo)), math.Log10(lo), math.Log10(hi)
	}
	return x.a + (v-lo)/(hi-lo)*(x.b-x.a)
}

// decades is a logarithmic axis from at most lo to at least hi, in whole tens.
func decades(lo, hi, a, b float64) axis {
	floor := math.Pow(10, math.Floor(math.Log10(lo)))
	top := math.Pow(10, math.Ceil(math.Log10(max(hi, floor*10))))
	return axis{lo: floor, hi: top, a: a, b: b, log: true}
}

// ticks are round values on the axis: the tens of a logarithmic one, else about
// n of them.
func (x axis) ticks(n int) []float64 {
	var out []float64
	if x.log {
		for v := x.lo; v <= x.hi*1.001; v *= 10 {
			out = append(out, v)
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10((x.hi-x.lo)/float64(n))))
	for _, k := range []float64{1, 2, 5, 10} {
		if (x.hi-x.lo)/(step*k) <= float64(n) {
			step *= k
			break
		}
	}
	for i := math.Ceil(x.lo / step); i*step <= x.hi+step*1e-6; i++ {
		out = append(out, i*step)
	}
	return out
}
