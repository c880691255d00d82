package ledger

import (
	"context"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger/client"
	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// After an error the writer goes on with the next key at once, but for a pause
// that keeps it from spinning: retryFirst, doubled with each error in a row up
// to retryMost.
const (
	retryFirst = time.Millisecond
	retryMost  = 10 * time.Millisecond
)

// write writes one key after the other until ctx ends. A key is written once,
// whatever comes of it: so a key is either acknowledged or not in the books.
func (r *Run) write(ctx context.Context, w *history.Writer, session client.Session) {
	pace := newPacer(r.config.Rate, r.config.Writers, r.place(w.ID))
	book := r.newBook(w)
	defer func() {
		w.Stopped = r.now()
		book.close()
		_ = session.Close()
	}()
	most := (r.config.MaxRecords + r.config.Writers - 1) / r.config.Writers
	pause := retryFirst
	for seq := uint32(0); w.Len() < most && pace.wait(ctx); seq++ {
		record := history.Record{Seq: seq, Slot: book.slot(), Send: r.now()}
		key := r.keys.Of(w.ID, record)
		r.live.asks(w.ID, record.Send)
		// Not ctx: a write that is under way when the run ends is waited for.
		server, err := session.Set(context.WithoutCancel(ctx), key, r.keys.Value(key))
		record.Ack, record.Server = r.now(), server
		if err != nil {
			book.failed(record, client.Kind(err))
			sleep(ctx, pause)
			pause = min(2*pause, retryMost)
			pace.retry()
			continue
		}
		pause = retryFirst
		book.acknowledged(record)
	}
}

// place is which of the writers' moments a writer has. Neighbours write to
// neighbouring slots of a cluster, so there their moments are far apart.
func (r *Run) place(writer int) int {
	if !r.config.Cluster {
		return writer
	}
	return writer * golden(r.config.Writers) % r.config.Writers
}

// book is where one writer notes what came of its writes.
type book struct {
	*history.Writer
	run    *Run
	spread *spread // nil unless it writes to a cluster
	since  int64   // since when it has tried in vain, -1 if it has not
}

func (r *Run) newBook(w *history.Writer) *book {
	b := &book{Writer: w, run: r, since: -1}
	if r.config.Cluster {
		b.spread = newSpread(w.ID, r.config.Writers)
	}
	return b
}

// slot is that of the next key.
func (b *book) slot() uint16 {
	if b.spread == nil {
		return 0
	}
	return b.spread.slot()
}

func (b *book) failed(r history.Record, kind string) {
	if b.since < 0 {
		b.since = r.Send
	}
	b.Fail(r.Ack, kind)
	b.run.live.fail(kind)
}

func (b *book) acknowledged(r history.Record) {
	since := r.Send
	if b.spread != nil && b.since >= 0 {
		since = b.since
		b.AppendRetried(since, r)
	} else {
		b.Append(r)
	}
	b.since = -1
	if b.spread != nil {
		b.spread.advance()
		b.run.live.waited(r.Ack - since)
	}
	b.run.live.answered(b.ID)
	b.run.live.ack(r.Ack, r.Server)
}

// close notes what the writer wanted to the last.
func (b *book) close() {
	if b.spread != nil && b.since >= 0 {
		b.Vain = &history.Vain{Since: b.since, Slot: b.slot()}
	}
}

// pacer spreads one writer's share of the rate evenly over time. Each writer
// keeps to moments of its own: were all to fall in step, as after an outage, the
// shortest gap that could be told would be a whole interval.
type pacer struct {
	interval time.Duration // 0: no limit
	next     time.Time
	atOnce   bool
}

// newPacer makes the pacer of the writer that has the place-th moment of all.
func newPacer(rate float64, writers, place int) *pacer {
	if rate <= 0 {
		return &pacer{}
	}
	p := &pacer{interval: time.Duration(float64(writers) / rate * float64(time.Second))}
	p.next = time.Now().Add(p.interval * time.Duration(place) / time.Duration(writers))
	return p
}

// maxArrears is how far a writer may be behind its times and still make up for
// it: short hiccups do not lower the rate, an outage is not followed by a flood.
const maxArrears = 100 * time.Millisecond

// wait waits for the writer's next turn, and reports whether it should write.
func (p *pacer) wait(ctx context.Context) bool {
	if p.interval > 0 && !p.atOnce {
		now := time.Now()
		if late := now.Sub(p.next); late > maxArrears+p.interval {
			p.next = p.next.Add(late.Truncate(p.interval))
		}
		sleep(ctx, p.next.Sub(now))
		p.next = p.next.Add(p.interval)
	}
	p.atOnce = false
	return ctx.Err() == nil
}

// retry makes the next turn now: after an error the writer tries again at once.
func (p *pacer) retry() { p.atOnce = true }

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
