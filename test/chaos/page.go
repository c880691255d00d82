package chaos

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Report is what a run of chaos tells.
type Report struct {
	Seed    uint64    `json:"seed"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// Missing are kinds of faults that this Kubernetes cannot be given, and why.
	Missing  []string  `json:"missing"`
	Outcomes []Outcome `json:"episodes"`
}

// NotHere are faults that users meet and this suite has not.
var NotHere = []string{
	"Packets lost or reordered at random: the kernel's netem is not on every host. A slow link loses what does not fit into its queue.",
	"A clock that jumps: all hosts of the test bed share the machine's.",
	"A volume that is lost or goes bad: what becomes of an empty server is tested on its own.",
}

// Broken are the promises that were not kept, each with its episode.
func (r Report) Broken() []string {
	var out []string
	for _, o := range r.Outcomes {
		for _, what := range o.Broken {
			out = append(out, "episode "+o.Episode.Name()+": "+what)
		}
	}
	return out
}

// Replay is the command that plays an episode again.
func (r Report) Replay(e Episode) string {
	return fmt.Sprintf("make chaos SEED=%d EPISODE=%s", r.Seed, e.Name())
}

// Sentence is the whole in one sentence.
func (r Report) Sentence() string {
	acknowledged, lost, faults := 0, 0, 0
	for _, o := range r.Outcomes {
		acknowledged, lost = acknowledged+o.Acknowledged, lost+o.Lost
		faults += len(o.Done())
	}
	text := fmt.Sprintf("%d episodes, %d faults, %d acknowledged writes, of which %d were lost with servers that were lost", len(r.Outcomes), faults, acknowledged, lost)
	if n := len(r.Broken()); n > 0 {
		return text + fmt.Sprintf("; %d PROMISES BROKEN.", n)
	}
	return text + "; no promise broken."
}

// Done are the faults that could be done.
func (o Outcome) Done() []Struck {
	return slices.DeleteFunc(slices.Clone(o.Struck), func(s Struck) bool { return !s.Done })
}

// Total is a line of the table by kind of fault.
type Total struct {
	Kind                   Kind
	Times, Primaries, Lost int
	WorstGapMs             float64
	WorstHealSeconds       float64
}

// Totals sums the episodes up by the kind of their first fault: a second one's cost
// cannot be told from the first one's.
func (r Report) Totals() []Total {
	var out []Total
	for _, kind := range Kinds {
		t := Total{Kind: kind}
		for _, o := range r.Outcomes {
			if len(o.Struck) == 0 || o.Struck[0].Fault.Kind != kind || !o.Struck[0].Done {
				continue
			}
			t.Times++
			t.Lost += o.Lost
			if o.Struck[0].Fault.On == Primary {
				t.Primaries++
			}
			t.WorstGapMs = max(t.WorstGapMs, o.LongestGapMs)
			t.WorstHealSeconds = max(t.WorstHealSeconds, o.HealedSeconds)
		}
		if t.Times > 0 {
			out = append(out, t)
		}
	}
	return out
}

//go:embed page.html.tmpl
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"gap": func(ms float64) string {
		if ms >= 1000 {
			return fmt.Sprintf("%.1f s", ms/1000)
		}
		return fmt.Sprintf("%.0f ms", ms)
	},
	"seconds": func(s float64) string { return fmt.Sprintf("%.0f s", s) },
	"line":    timeline,
}).Parse(pageText))

// WriteHTML writes the page.
func (r Report) WriteHTML(w io.Writer) error {
	return page.Execute(w, struct {
		Report
		NotHere []string
	}{r, NotHere})
}

// WriteTo writes index.html and report.json into a folder.
func (r Report) WriteTo(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(folder, "index.html"), r.WriteHTML),
		write(filepath.Join(folder, "report.json"), func(w io.Writer) error {
			encoder := json.NewEncoder(w)
			encoder.SetIndent("", " ")
			return encoder.Encode(r)
		}),
	)
}

func write(path string, write func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report of chaos: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}
