package ledger

import (
	"bufio"
	"fmt"
	"io"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// WriteHistory writes every acknowledged write as a line of CSV, in the order of
// the acknowledgements: so that others can check what we conclude. Times are
// nanoseconds since the start of the run. A cluster's has two columns more: the
// slot, and the id of the shard that the server belongs to.
func (r *Run) WriteHistory(w io.Writer) error {
	out := bufio.NewWriter(w)
	header := "writer,seq,key,send_ns,ack_ns,run_id"
	if r.config.Cluster {
		header += ",slot,shard"
	}
	if _, err := fmt.Fprintln(out, header); err != nil {
		return err
	}
	for a := range r.history.Acks() {
		var server client.ServerInfo
		if a.Server != history.Unattributed {
			server = r.met[a.Server]
		}
		_, err := fmt.Fprintf(out, "%d,%d,%s,%d,%d,%s", a.Writer, a.Seq, r.keys.Of(a.Writer, a.Record), a.Send, a.Ack, server.RunID)
		if r.config.Cluster && err == nil {
			_, err = fmt.Fprintf(out, ",%d,%s", a.Slot, server.Shard)
		}
		if err == nil {
			err = out.WriteByte('\n')
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}
