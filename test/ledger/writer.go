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

// write writes one key after the other until ctx ends. A key is sent once,
// whatever comes of it: so a key is either acknowledged or not in the books.
func (r *Run) write(ctx context.Context, w *history.Writer, session client.Session) {
	defer func() {
		w.Stopped = r.now()
		_ = session.Close()
	}()
	pace := newPacer(r.config.Rate, r.config.Writers, w.ID)
	most := (r.config.MaxRecords + r.config.Writers - 1) / r.config.Writers
	pause := retryFirst
	for seq := uint32(0); w.Len() < most && pace.wait(ctx); seq++ {
		key := r.keys.Key(w.ID, seq)
		value := r.keys.Value(key)
		send := r.now()
		// Not ctx: a write that is under way when the run ends is waited for.
		server, err := session.Set(context.WithoutCancel(ctx), key, value)
		ack := r.now()
		if err != nil {
			kind := client.Kind(err)
			w.Fail(ack, kind)
			r.live.fail(kind)
			sleep(ctx, pause)
			pause = min(2*pause, retryMost)
			pace.retry()
			continue
		}
		pause = retryFirst
		w.Append(history.Record{Send: send, Ack: ack, Seq: seq, Server: server})
		r.live.ack(ack, server)
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

func newPacer(rate float64, writers, writer int) *pacer {
	if rate <= 0 {
		return &pacer{}
	}
	p := &pacer{interval: time.Duration(float64(writers) / rate * float64(time.Second))}
	p.next = time.Now().Add(p.interval * time.Duration(writer) / time.Duration(writers))
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
