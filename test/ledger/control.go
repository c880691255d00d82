package ledger

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Progress is what /progress tells.
type Progress struct {
	// State is writing, verifying or done.
	State        string         `json:"state"`
	Seconds      float64        `json:"seconds"`
	Acknowledged int64          `json:"acknowledged"`
	PerSecond    int64          `json:"acknowledgedPerSecond"`
	Errors       map[string]int `json:"errors"`
	RunID        string         `json:"runId"`
	Pod          string         `json:"pod,omitempty"`
	// LongestGapMs is the longest time without any acknowledged write so far,
	// the one that lasts included. In a cluster it is the longest time that one
	// writer has waited.
	LongestGapMs float64 `json:"longestGapMs"`
	// WaitingMs is how long one writer has been waiting at this moment: the one that has
	// waited longest. Its library may still hang at an address that has vanished.
	WaitingMs float64 `json:"waitingMs"`
	Watch     string  `json:"watchTrouble,omitempty"`
}

// Progress tells how far the run is. Its figures are approximate; the report's
// are not.
func (r *Run) Progress() Progress {
	p := Progress{
		State: "writing", Seconds: milliseconds(r.now()) / 1000,
		Acknowledged: r.live.acked.Load(), PerSecond: r.live.perSecond.Load(),
		Errors: map[string]int{}, RunID: r.acknowledging(),
	}
	p.Pod = r.podOf(p.RunID)
	longest := r.live.longest.Load()
	if state, ok := r.live.state.Load().(string); ok {
		p.State = state
	} else if last := r.live.lastAck.Load(); last >= 0 && !r.config.Cluster {
		longest = max(longest, r.now()-last)
	}
	p.LongestGapMs, p.WaitingMs = milliseconds(longest), milliseconds(r.live.waiting(r.now()))
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	for kind, n := range r.live.errors {
		p.Errors[kind] = n
	}
	p.Watch = r.live.pods
	return p
}

// Handler is the control server. GET is enough for everything, for it is reached
// through the API server's proxy.
func (r *Run) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/progress", func(w http.ResponseWriter, _ *http.Request) { answer(w, r.Progress()) })
	mux.HandleFunc("/mark", r.handleMark)
	mux.HandleFunc("/stop", r.handleStop)
	mux.HandleFunc("/report.json", r.withReport("application/json", func(w http.ResponseWriter) error {
		return r.report.WriteJSON(w)
	}))
	mux.HandleFunc("/report.html", r.withReport("text/html; charset=utf-8", func(w http.ResponseWriter) error {
		return r.report.WriteHTML(w)
	}))
	mux.HandleFunc("/history.csv", r.withReport("text/csv", func(w http.ResponseWriter) error {
		return r.WriteHistory(w)
	}))
	return mux
}

// handleMark takes name, and topology, strategy, fromImage and toImage for the
// report; with note=1 the mark begins no roll.
func (r *Run) handleMark(w http.ResponseWriter, req *http.Request) {
	q := req.URL.Query()
	r.Describe(q.Get("topology"), q.Get("strategy"), q.Get("fromImage"), q.Get("toImage"))
	if name := strings.TrimSpace(q.Get("name")); name != "" {
		r.Mark(name, q.Get("note") == "1")
	}
	answer(w, r.Progress())
}

// handleStop answers with the report when it is there. If the caller leaves
// before that, the work goes on, and asking again is fine.
func (r *Run) handleStop(w http.ResponseWriter, req *http.Request) {
	result, err := r.Stop(req.Context())
	if err != nil {
		return // the caller has left
	}
	answer(w, result)
}

func (r *Run) withReport(contentType string, write func(http.ResponseWriter) error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := r.Report(); !ok {
			http.Error(w, "the run is not over: ask for /stop first", http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_ = write(w) // it fails only if the caller has left
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // it fails only if the caller has left
}
