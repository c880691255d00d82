package ledger

import (
	"bufio"
	"fmt"
	"io"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// WriteHistory writes every acknowledged write as a line of CSV, in the order of
// the acknowledgements: so that others can check what we conclude. Times are
// nanoseconds since the start of the run.
func (r *Run) WriteHistory(w io.Writer) error {
	out := bufio.NewWriter(w)
	if _, err := fmt.Fprintln(out, "writer,seq,key,send_ns,ack_ns,run_id"); err != nil {
		return err
	}
	for a := range r.history.Acks() {
		runID := ""
		if a.Server != history.Unattributed {
			runID = r.history.RunIDs[a.Server]
		}
		_, err := fmt.Fprintf(out, "%d,%d,%s,%d,%d,%s\n", a.Writer, a.Seq, r.keys.Key(a.Writer, a.Seq), a.Send, a.Ack, runID)
		if err != nil {
			return err
		}
	}
	return out.Flush()
}
