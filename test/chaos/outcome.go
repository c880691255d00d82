package chaos

import (
	"slices"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// Struck is a fault as it was done.
type Struck struct {
	Fault Fault `json:"fault"`
	// Pods are the instance's pods that were hit: those who have the role, and with a
	// host all that are on it.
	Pods []string `json:"pods,omitempty"`
	// Host is the host that was hit, if one was.
	Host  string    `json:"host,omitempty"`
	Began time.Time `json:"began"`
	// Ended is when it was undone, or when it was done, if it is over at once.
	Ended time.Time `json:"ended"`
	// Note says what was different from what the schedule wanted.
	Note string `json:"note,omitempty"`
	// Done is false for one that could not be done at all; Note says why.
	Done bool `json:"done"`
}

// Outcome is what became of an episode.
type Outcome struct {
	Episode Episode `json:"episode"`
	Setup   Setup   `json:"setup"`
	// Began is the beginning that the faults' times count from.
	Began  time.Time `json:"began"`
	Struck []Struck  `json:"struck"`
	// HealedSeconds is how long after the last fault's end all was well again.
	HealedSeconds float64 `json:"healedSeconds"`
	// Acknowledged, Lost and the gaps are the ledger's; there is none while an
	// instance forms.
	Ledger       bool    `json:"ledger"`
	Acknowledged int     `json:"acknowledged"`
	Lost         int     `json:"lost"`
	LongestGapMs float64 `json:"longestGapMs"`
	Handovers    int     `json:"handovers"`
	Interleaved  int     `json:"interleaved"`
	// Losses are the lost writes by who had acknowledged them.
	Losses []report.Absent `json:"losses,omitempty"`
	// Looks is how often all servers were seen at the same time.
	Looks int `json:"looks"`
	// Broken are the promises that were not kept. Empty is good.
	Broken []string `json:"broken"`
}

// Take takes over what the ledger saw.
func (o *Outcome) Take(run report.Run) {
	o.Ledger, o.Acknowledged, o.Lost = true, run.Acknowledged, run.Lost
	o.LongestGapMs, o.Handovers, o.Interleaved = run.LongestGapMs, len(run.Handovers), run.Interleaved
	for i, node := range run.ReadBack {
		if owner(i, node, run) {
			o.Losses = append(o.Losses, node.Absent...)
		}
	}
}

// owner says that what is missing on a node is lost.
func owner(i int, node report.Node, run report.Run) bool {
	if run.Cluster == nil {
		return i == 0
	}
	return node.Role == "primary" || node.Role == "no owner"
}

// Break notes a promise that was not kept, once.
func (o *Outcome) Break(what string) {
	if !slices.Contains(o.Broken, what) {
		o.Broken = append(o.Broken, what)
	}
}
