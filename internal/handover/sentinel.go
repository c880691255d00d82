package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// SentinelServer is what a handover needs of a Sentinel; *valkey.Node is one.
type SentinelServer interface {
	Addr() string
	SentinelInfo(ctx context.Context) (valkey.SentinelInfo, error)
	SentinelID(ctx context.Context) (string, error)
	SentinelPrimary(ctx context.Context, name string) (valkey.SentinelPrimary, error)
	SentinelAddress(ctx context.Context, name string) (host string, port int, err error)
	SentinelReplicas(ctx context.Context, name string) ([]valkey.SentinelReplica, error)
	SentinelPeers(ctx context.Context, name string) ([]valkey.SentinelPeer, error)
	SentinelCheckQuorum(ctx context.Context, name string) error
	SentinelEvents(ctx context.Context, kinds ...string) (events <-chan valkey.SentinelEvent, stop func(), err error)
	SentinelFailoverCoordinated(ctx context.Context, name string) error
	SentinelHello(ctx context.Context, hello valkey.Hello) error
	SentinelMonitor(ctx context.Context, name, host string, port, quorum int) error
	SentinelRemove(ctx context.Context, name string) error
	SentinelSet(ctx context.Context, name string, settings ...valkey.Setting) error
}

// Way is how a handover under Sentinel is done.
type Way string

// The ways.
const (
	// WayCoordinated: a Sentinel has itself elected and tells the primary to hand
	// over (SENTINEL FAILOVER name COORDINATED). It chooses the replica.
	WayCoordinated Way = "Coordinated"
	// WayDirect: we tell the primary ourselves (FAILOVER TO), and then the Sentinels.
	WayDirect Way = "Direct"
)

// PointAgreed of Options.At: the Sentinels name the new primary.
const PointAgreed = "sentinels-agree"

// ErrSteer is in the error of a gate when a Sentinel might choose a replica that is
// neither the target nor one of the candidates: give that one a higher
// replica-priority, or 0, and wait until the Sentinels have seen it.
var ErrSteer = errors.New("sentinel might promote another replica")

// ErrDisagree is in the error of an Unproven handover that the servers have
// completed, and that not enough Sentinels know of.
var ErrDisagree = errors.New("sentinels do not name the new primary")

// Candidate is a replica that may take over as well as the target may.
type Candidate struct {
	Server
	// Host and Port as the old primary shows it, and as Sentinels list it.
	Host string
	Port int
}

// SentinelOptions of one handover. The zero value of each field means its default.
type SentinelOptions struct {
	Options
	// Name under which the Sentinels monitor the primary. Needed.
	Name string
	// OldHost and OldPort are the old primary as the Sentinels name it; default: the
	// address that it was dialled at.
	OldHost string
	OldPort int
	// OnMoved takes the place of OnPromoted where it is set: host is who took over, as
	// the Sentinels name it.
	OnMoved func(ctx context.Context, host string) error
	// Candidates are the other replicas that are as good as the target: with
	// WayCoordinated it is Sentinel that chooses.
	Candidates []Candidate
	// Way; default: WayCoordinated if one of the Sentinels is known to do it well,
	// else WayDirect.
	Way Way
	// NoHello keeps to public commands. With WayCoordinated the Sentinels then take
	// about a second longer to tell clients of the new primary; with WayDirect each
	// has its monitor removed and made anew.
	NoHello bool
	// Settings are for a monitor that has to be made anew, on top of what the Sentinel
	// itself shows: auth-user and auth-pass.
	Settings []valkey.Setting
}

// SentinelResult tells what happened, whatever the outcome.
type SentinelResult struct {
	Result
	Way Way
	// Asked is the Sentinel that was asked to hand over, if one was.
	Asked string
	// TargetHost and TargetPort are who took over, as Sentinels name it: the target,
	// or with WayCoordinated one of the candidates.
	TargetHost string
	TargetPort int
	// Epoch of the new configuration, as far as hellos told of it.
	Epoch int64
	// Told are the Sentinels that a hello was sent to, and Remade those whose monitor
	// was made anew.
	Told, Remade []string
	// Agreeing is how many Sentinels named the new primary at the end, and Agreed
	// when they did: the time from its promotion on.
	Agreeing int
	Agreed   time.Duration
	// Telling is how long the hellos took, beside the traffic.
	Telling time.Duration
	// TellErr is the last error of a hello or of making a monitor anew.
	TellErr error
}

// sentinelRun is one handover under Sentinel.
type sentinelRun struct {
	*run
	sentinels []SentinelServer
	sopt      SentinelOptions
	views     []sentinelView
	res       SentinelResult

	asked      *sentinelView // who is asked to hand over, if one is
	chosen     bool          // it has told whom it promotes
	promotedAt time.Time
	told       chan struct{} // closed once the hellos are sent
}

// Sentinel hands the primary's role over from old to target, and brings the
// Sentinels to name it. They have to be all that there are: whoever is left out is
// told by the others, but nobody looks whether he was.
//
// The gates send nothing (ErrGate). From then on a Sentinel or a server goes on by
// itself if we die. Cancelling ctx ends it early, but not half-way: whatever is
// paused is let go on every way out, within Timeout and SettleTimeout. Done is
// only what the servers have proven and a majority, and quorum, of the Sentinels
// name; an Unproven one with ErrDisagree needs TellSentinels, or patience.
func Sentinel(ctx context.Context, old, target Server, sentinels []SentinelServer, opt SentinelOptions) (SentinelResult, error) {
	start := time.Now()
	h := newSentinelRun(old, target, sentinels, opt)
	err := h.perform(ctx)
	h.res.Result = h.result
	h.res.Total = time.Since(start)
	return h.res, err
}

func newSentinelRun(old, target Server, sentinels []SentinelServer, opt SentinelOptions) *sentinelRun {
	h := &sentinelRun{run: newRun(old, target, opt.Options), sentinels: sentinels, sopt: opt, told: make(chan struct{})}
	traffic := h.opt.OnPromoted
	h.opt.OnPromoted = func(ctx context.Context) error { return h.onPromoted(ctx, traffic) }
	h.result.Outcome = Aborted
	return h
}

func (h *sentinelRun) perform(ctx context.Context) error {
	if err := h.gate(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	var err error
	if h.res.Way == WayCoordinated {
		err = h.coordinated(ctx)
	} else {
		err = h.run.perform(ctx)
	}
	if err != nil {
		return err
	}
	return h.agree(ctx)
}

// onPromoted runs once, when the new primary says that it is one. The pause that
// COORDINATED leaves on the old one is lifted first, while the Sentinel would still
// do it in our place: a hello makes it forget what it was about. Then the traffic and
// the Sentinels are told at the same time.
func (h *sentinelRun) onPromoted(ctx context.Context, traffic func(context.Context) error) error {
	h.promotedAt = time.Now()
	if h.res.Way == WayCoordinated {
		h.unpause(ctx)
	}
	go func() {
		defer close(h.told)
		h.hellos(ctx)
		h.res.Telling = time.Since(h.promotedAt)
	}()
	var err error
	if h.sopt.OnMoved != nil {
		err = h.sopt.OnMoved(ctx, h.res.TargetHost)
	} else {
		err = traffic(ctx)
	}
	<-h.told
	return err
}

// unpause lifts the pause that COORDINATED leaves on the old primary.
func (h *sentinelRun) unpause(ctx context.Context) {
	for err := h.old.Unpause(ctx); err != nil && !gone(err); err = h.old.Unpause(ctx) {
		if !sleep(ctx, resolveEvery) {
			return
		}
	}
}
