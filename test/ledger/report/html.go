package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed page.html.tmpl
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": count,
	"ms":    milliseconds,
	"gap": func(ms *float64) string {
		if ms == nil {
			return "–"
		}
		return milliseconds(*ms)
	},
	"short": shortName,
	"kind":  KindName,
	"seconds": func(s *float64) string {
		if s == nil {
			return "–"
		}
		return fmt.Sprintf("%.1f s", *s)
	},
}).Parse(pageText))

// view is what the page shows.
type view struct {
	Title    string
	Runs     []runView
	Clusters bool // one of them is of a cluster
}

type runView struct {
	Run
	Name       string
	Images     string
	WorstGap   float64
	WorstWait  float64
	Picture    template.HTML
	Zooms      []template.HTML
	ByShard    []Handover // the handovers
	ErrorKinds []string
	Good       bool
}

// WriteHTML writes the report as one page that needs nothing else.
func (r Report) WriteHTML(w io.Writer) error {
	v := view{Title: "Acknowledged writes"}
	if r.Topology != "" {
		v.Title += ": " + r.Topology
	}
	for i, run := range r.Runs {
		v.Runs = append(v.Runs, newRunView(run, i))
		v.Clusters = v.Clusters || run.Cluster != nil
	}
	return page.Execute(w, v)
}

func newRunView(run Run, i int) runView {
	v := runView{Run: run, Name: run.Strategy, Picture: draw(run), Good: run.Verdict == Proven}
	if v.Name == "" {
		v.Name = fmt.Sprintf("Run %d", i+1)
	}
	if run.FromImage != "" || run.ToImage != "" {
		v.Images = shortImage(run.FromImage) + " → " + shortImage(run.ToImage)
	}
	v.WorstGap, v.WorstWait = run.WorstHandoverGap()
	v.ByShard = run.byShard()
	for _, h := range run.Handovers {
		if len(h.Writes) > 1 && len(v.Zooms) < maxZooms {
			v.Zooms = append(v.Zooms, zoom(run, h))
		}
	}
	for kind, n := range run.Errors {
		v.ErrorKinds = append(v.ErrorKinds, fmt.Sprintf("%s %s", count(n), kind))
	}
	slices.Sort(v.ErrorKinds)
	return v
}

// shortImage leaves the registry out.
func shortImage(image string) string {
	if image == "" {
		return "?"
	}
	return image[strings.LastIndex(image, "/")+1:]
}
