package chaos

import (
	"fmt"
	"html"
	"html/template"
	"strings"
)

const (
	lineWidth  = 560.0
	lineHeight = 16.0
)

// timeline draws when each fault was on, and when all was well again.
func timeline(o Outcome) template.HTML {
	last := 1.0
	for _, s := range o.Struck {
		last = max(last, s.Ended.Sub(o.Began).Seconds())
	}
	whole := last + o.HealedSeconds
	at := func(seconds float64) float64 { return seconds / whole * lineWidth }
	height := lineHeight*float64(len(o.Struck)) + 18
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="faults over time">`, lineWidth, height)
	fmt.Fprintf(&b, `<rect x="%.1f" y="0" width="%.1f" height="%.1f" class="heal"><title>until all was well again: %.1f s</title></rect>`,
		at(last), lineWidth-at(last), height-16, o.HealedSeconds)
	for i, s := range o.Struck {
		from, to := s.Began.Sub(o.Began).Seconds(), s.Ended.Sub(o.Began).Seconds()
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="fault"><title>%s: %.1f s to %.1f s</title></rect>`,
			at(from), lineHeight*float64(i)+2, max(at(to)-at(from), 3), lineHeight-4, html.EscapeString(string(s.Fault.Kind)), from, to)
	}
	fmt.Fprintf(&b, `<text x="0" y="%.1f">0 s</text><text x="%.1f" y="%.1f" text-anchor="end">%.0f s</text></svg>`, height-3, lineWidth, height-3, whole)
	return template.HTML(b.String()) //nolint:gosec // the only text in it is escaped
}
