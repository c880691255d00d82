// Package report is what the ledger tells: as JSON that others can check, and as
// a page for people. docs/ledger.md defines every field.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Report is one or more runs against the same topology, to be compared.
type Report struct {
	Topology string `json:"topology"`
	Runs     []Run  `json:"runs"`
}

// The verdicts of a run. Unproven is no pass: something could not be checked.
const (
	Proven   = "proven"
	Violated = "violated"
	Unproven = "unproven"
)

// Run is one run of the writers against one address. Times that end in Ms are
// milliseconds; those of moments count from the start of the run.
type Run struct {
	Strategy  string `json:"strategy"`
	FromImage string `json:"fromImage"`
	ToImage   string `json:"toImage"`

	Acknowledged int            `json:"acknowledged"`
	Lost         int            `json:"lost"`
	Stale        int            `json:"stale"`
	Diverged     int            `json:"diverged"`
	Errors       map[string]int `json:"errors"`
	Handovers    []Handover     `json:"handovers"`
	LongestGapMs float64        `json:"longestGapMs"`
	// RollSeconds and UnavoidableSeconds are null if no pod was seen replaced.
	RollSeconds        *float64 `json:"rollSeconds"`
	UnavoidableSeconds *float64 `json:"unavoidableSeconds"`

	Verdict          string   `json:"verdict"`
	Problems         []string `json:"problems"`
	Topology         string   `json:"topology"`
	Interleaved      int      `json:"interleaved"`
	Unattributed     int      `json:"unattributed"`
	WorstClientGapMs float64  `json:"worstClientGapMs"`

	Address   string    `json:"address"`
	StartedAt time.Time `json:"startedAt"`
	Seconds   float64   `json:"seconds"`
	Rate      float64   `json:"acknowledgedPerSecond"`
	ValueSize int       `json:"valueSize"`
	Writers   []Writer  `json:"writers"`
	Servers   []Server  `json:"servers"`
	ReadBack  []Node    `json:"readBack"`
	Rolls     []Roll    `json:"rolls"`
	Gaps      []Gap     `json:"gaps"`
	// Stalls are the longest times in which the ledger's own process was held
	// up, LongestStallMs the longest of them. No gap is shortened by them.
	Stalls         []Gap   `json:"stalls"`
	LongestStallMs float64 `json:"longestStallMs"`
	Events         []Event `json:"events"`
	Series         Series  `json:"series"`

	// Clients are there only if some writers ask Sentinels.
	Clients []Clients `json:"clients,omitempty"`

	// Cluster and Shards are there only if it was one.
	Cluster *Cluster `json:"cluster,omitempty"`
	Shards  []Shard  `json:"shards,omitempty"`
}

// Handover is a change of the server that acknowledges. From and To are pod
// names where they are known, else run ids.
type Handover struct {
	Shard            string  `json:"shard,omitempty"`
	From             string  `json:"from"`
	To               string  `json:"to"`
	GapMs            float64 `json:"gapMs"`
	WorstClientGapMs float64 `json:"worstClientGapMs"`
	FromRunID        string  `json:"fromRunId"`
	ToRunID          string  `json:"toRunId"`
	StartMs          float64 `json:"startMs"`
	EndMs            float64 `json:"endMs"`
	WorstClient      int     `json:"worstClient"`
	Returned         bool    `json:"returned"`
	// StallMs is the longest time within the gap in which the ledger's own
	// process was held up.
	StallMs float64 `json:"stallMs"`
	// Clients divides it by kind of client, if there are several.
	Clients []Crossing `json:"clients,omitempty"`
	// Writes are the acknowledged writes around it, for the picture: time of
	// the acknowledgement, latency (both in ms) and number of the server.
	Writes [][3]float64 `json:"writes,omitempty"`
}

// Writer sums up one writer.
type Writer struct {
	Library      string         `json:"library"`
	Kind         string         `json:"kind,omitempty"`
	Acknowledged int            `json:"acknowledged"`
	Errors       map[string]int `json:"errors,omitempty"`
}

// Server is a server process that acknowledged writes.
type Server struct {
	RunID        string `json:"runId"`
	Pod          string `json:"pod"`
	Version      string `json:"version"`
	Acknowledged int    `json:"acknowledged"`
	Shard        string `json:"shard,omitempty"`
}

// Node is a server that was read back afterwards.
type Node struct {
	Address  string   `json:"address"`
	Name     string   `json:"name"`
	Shard    string   `json:"shard,omitempty"`
	RunID    string   `json:"runId"`
	Role     string   `json:"role"`
	CaughtUp bool     `json:"caughtUp"`
	WaitedMs float64  `json:"waitedMs"`
	Checked  int      `json:"checked"`
	Missing  int      `json:"missing"`
	Diverged int      `json:"diverged"`
	Examples []string `json:"examples,omitempty"`
	// Absent divides what is missing by who had acknowledged it.
	Absent []Absent `json:"absent,omitempty"`
	Error  string   `json:"error,omitempty"`
}

// Absent sums up the writes that one server had acknowledged and another has not.
type Absent struct {
	RunID string `json:"runId"`
	Pod   string `json:"pod"`
	Count int    `json:"count"`
	// FirstMs and LastMs are when the first and the last of them were acknowledged.
	FirstMs float64 `json:"firstMs"`
	LastMs  float64 `json:"lastMs"`
}

// Roll is one change that replaced pods.
type Roll struct {
	Mark               string     `json:"mark"`
	StartMs            float64    `json:"startMs"`
	EndMs              float64    `json:"endMs"`
	Complete           bool       `json:"complete"`
	RollSeconds        float64    `json:"rollSeconds"`
	UnavoidableSeconds float64    `json:"unavoidableSeconds"`
	Pods               []Replaced `json:"pods"`
}

// Replaced is a pod that was replaced; moments are null if they were not seen.
type Replaced struct {
	Pod        string   `json:"pod"`
	DeletionMs float64  `json:"deletionMs"`
	GoneMs     *float64 `json:"goneMs"`
	ReadyMs    *float64 `json:"readyMs"`
	SyncedMs   *float64 `json:"syncedMs"`
	FromImage  string   `json:"fromImage"`
	ToImage    string   `json:"toImage"`
	Removed    bool     `json:"removed"`
}

// Gap is a time without any acknowledged write.
type Gap struct {
	Shard   string  `json:"shard,omitempty"`
	StartMs float64 `json:"startMs"`
	Ms      float64 `json:"ms"`
}

// Event is something that happened: to a pod, or a mark set from outside.
type Event struct {
	AtMs float64 `json:"atMs"`
	Kind string  `json:"kind"`
	Name string  `json:"name"`
}

// Series is the run cut into buckets of BucketMs. Latencies are in ms, and 0
// where nothing was acknowledged.
type Series struct {
	BucketMs float64   `json:"bucketMs"`
	Acks     []int     `json:"acks"`
	Errors   []int     `json:"errors"`
	P50      []float64 `json:"p50Ms"`
	P99      []float64 `json:"p99Ms"`
	Max      []float64 `json:"maxMs"`
}

// Merge puts the runs of several reports into one, in order.
func Merge(reports ...Report) Report {
	var out Report
	for _, r := range reports {
		if out.Topology == "" {
			out.Topology = r.Topology
		}
		out.Runs = append(out.Runs, r.Runs...)
	}
	return out
}

// ReadFile reads a report's JSON.
func ReadFile(path string) (Report, error) {
	var r Report
	b, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s is no report of the ledger: %w", path, err)
	}
	if len(r.Runs) == 0 {
		return r, fmt.Errorf("%s holds no run", path)
	}
	return r, nil
}

// WriteJSON writes the report as JSON.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// WriteTo writes report.json and report.html into a folder, which is made if it
// is not there.
func (r Report) WriteTo(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder for the report: %w", err)
	}
	return errors.Join(
		writeFile(filepath.Join(folder, "report.json"), r.WriteJSON),
		writeFile(filepath.Join(folder, "report.html"), r.WriteHTML),
	)
}

func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}
