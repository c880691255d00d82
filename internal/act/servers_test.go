package act

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
)

// pair is a primary and its replica, in step, on servers that are fakes.
type pair struct {
	*world
	old, target *fake.Server
	step        model.Handover
}

func newPair(t *testing.T) *pair {
	t.Helper()
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart-primary"}}
	p := &pair{world: newWorld(t, slice), old: fake.Listen(t, loopback), target: fake.Listen(t, loopback)}
	p.old.Info(fake.Primary("h1", 100, p.target.Addr()))
	p.old.Reply("ROLE", fake.PrimaryRole(100))
	p.target.Info(fake.Replica(p.old.Addr(), "h1", 100))
	p.target.Reply("ROLE", fake.ReplicaRole(p.old.Addr(), 100))
	for _, s := range []*fake.Server{p.old, p.target} {
		s.Reply("CLIENT LIST", fake.Bulk(""))
	}
	p.step = model.Handover{From: model.Ref{Name: "cart-0", UID: "uid-0", Address: p.old.Addr()},
		To: model.Ref{Name: "cart-1", UID: "uid-1", Address: p.target.Addr()}, Revision: "new"}
	p.planned(p.step)
	return p
}

// switchRoles is what FAILOVER does to real servers.
func (p *pair) switchRoles() {
	p.target.Info(fake.Primary("h2", 100, p.old.Addr()))
	p.target.Reply("ROLE", fake.PrimaryRole(100))
	p.old.Info(fake.Replica(p.target.Addr(), "h2", 100))
	p.old.Reply("ROLE", fake.ReplicaRole(p.target.Addr(), 100))
}

func sent(s *fake.Server, command string) bool {
	return slices.ContainsFunc(s.Got(), func(line string) bool { return strings.HasPrefix(line, command) })
}

func TestAHandoverMovesTheRoleThenTheTrafficThenTheClients(t *testing.T) {
	p := newPair(t)
	p.old.Then("FAILOVER TO", p.switchRoles)
	out, err := p.Do(t.Context(), shard, p.step)
	if err != nil || len(out.Holds) != 0 || out.Handover == nil || out.Handover.Result.Outcome != handover.Done {
		t.Fatalf("%+v, %v", out, err)
	}
	if !slices.Equal(p.asked, []string{"patch cart-primary"}) || !strings.Contains(p.bodies[0], "uid-1") {
		t.Errorf("asked %q", p.asked)
	}
	if !sent(p.old, "CLIENT LIST") {
		t.Error("nobody looked for the clients of the old primary")
	}
	if p.looks != 1 {
		t.Errorf("%d fresh looks before it", p.looks)
	}
	if _, ok := p.Turns.Take(); !ok {
		t.Error("its turn has not ended")
	}
}

// A host that moves the Service late still leads clients to the old primary: many libraries
// would keep the connection, though it answers READONLY.
func TestClientsThatAreLedToTheOldPrimaryLaterAreSentAwayToo(t *testing.T) {
	p := newPair(t)
	p.old.Then("FAILOVER TO", p.switchRoles)
	if out, err := p.Do(t.Context(), shard, p.step); err != nil || out.Handover == nil || out.Handover.Drained.Killed != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	p.old.Reply("CLIENT KILL", ":1\r\n")
	p.old.Reply("CLIENT LIST TYPE normal", fake.Bulk("id=7 addr=10.0.0.9:1 name= user=default age=0 idle=0 flags=N cmd=set\n"))
	for deadline := time.Now().Add(20 * time.Second); !sent(p.old, "CLIENT KILL ID 7"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it may stay: %q", p.old.Got())
		}
	}
}

func TestASliceThatIsNotThereAnyMoreIsDeclaredAnew(t *testing.T) {
	w := newWorld(t)
	if err := w.moveTraffic(t.Context(), ref(1)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.asked, []string{"patch cart-primary", "apply EndpointSlice cart-primary"}) {
		t.Errorf("asked %q", w.asked)
	}
}

func TestAHandoverThatTheServersAreNotReadyForIsAHoldAndNoFailure(t *testing.T) {
	p := newPair(t)
	behind := fake.Replica(p.old.Addr(), "h1", 100)
	behind["master_link_status"] = "down"
	p.target.Info(behind)
	out, err := p.Do(t.Context(), shard, p.step)
	if err != nil || out.Handover != nil || len(out.Holds) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	h := out.Holds[0]
	if h.Reason != model.HandoverGate || h.Node != "cart-1" || h.After <= 0 || !strings.Contains(h.Detail, "link to its primary is down") {
		t.Errorf("%+v", h)
	}
	if sent(p.old, "FAILOVER") || len(p.asked) != 0 {
		t.Error("something was done all the same")
	}
}

// A look that found Services at rest, and a change of one before the role could move.
func TestAHandoverWaitsForServicesThatChangeInTheLastMoment(t *testing.T) {
	for _, row := range []struct {
		name        string
		quiet, then time.Duration
		begins      bool
	}{
		{"they are still at rest", 2 * time.Second, 3 * time.Second, true},
		{"one has just changed", 2 * time.Second, 0, false},
		{"it was not to wait for that", 0, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPair(t)
			p.old.Then("FAILOVER TO", p.switchRoles)
			p.seen.Shards = []model.Shard{{Name: shard, Traffic: model.Traffic{Quiet: row.quiet}}}
			p.Quiet = func() time.Duration { return row.then }
			out, err := p.Do(t.Context(), shard, p.step)
			if err != nil || sent(p.old, "FAILOVER") != row.begins || (out.Handover != nil) != row.begins {
				t.Fatalf("%+v, %v", out, err)
			}
			if row.begins {
				if out.Handover.Services.Quiet != row.quiet {
					t.Errorf("it tells of Services at rest for %s", out.Handover.Services.Quiet)
				}
				return
			}
			if h := out.Holds[0]; h.Reason != model.ServicesBusy || h.After <= 0 || h.Detail == "" {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestAHandoverThatIsRefusedHasFailedAndMovesNothing(t *testing.T) {
	p := newPair(t)
	p.old.Reply("FAILOVER TO", "-ERR FAILOVER target HOST and PORT is not a replica.\r\n")
	out, err := p.Do(t.Context(), shard, p.step)
	if !errors.Is(err, ErrHandover) || out.Handover == nil || out.Handover.Result.Outcome != handover.Aborted {
		t.Fatalf("%+v, %v", out, err)
	}
	if len(p.asked) != 0 {
		t.Errorf("asked %q", p.asked)
	}
}

func TestAHandoverIsNotCalledFailedForTrafficThatMovesLate(t *testing.T) {
	p := newPair(t)
	p.old.Then("FAILOVER TO", p.switchRoles)
	p.refuse["patch cart-primary"] = errors.New("the API server is away")
	out, err := p.Do(t.Context(), shard, p.step)
	if err != nil || out.Handover == nil || out.Handover.Result.TrafficErr == nil {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestASecondHandoverWaitsItsTurnWithoutALook(t *testing.T) {
	p := newPair(t)
	end, _ := p.Turns.Take()
	defer end()
	out, err := p.Do(t.Context(), shard, p.step)
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.ServicesBusy || p.looks != 0 {
		t.Errorf("%+v, %v, %d looks", out, err, p.looks)
	}
}

func TestATurnEndsAfterASecondAndTheLateEndOfItEndsNoOther(t *testing.T) {
	turns, at := NewTurns(), time.Now()
	turns.now = func() time.Time { return at }
	slow, _ := turns.Take()
	if _, ok := turns.Take(); ok {
		t.Error("two turns at once")
	}
	at = at.Add(turnLength)
	next, ok := turns.Take()
	if !ok {
		t.Fatal("a slow handover holds up all others")
	}
	slow()
	if _, ok := turns.Take(); ok {
		t.Error("the end of the slow one has ended the next one's turn")
	}
	next()
	if _, ok := turns.Take(); !ok {
		t.Error("the turn has not ended")
	}
}

func TestServersAreToldWhatTheStepSays(t *testing.T) {
	w, s := newWorld(t), fake.Listen(t, loopback)
	at := model.Ref{Name: "cart-1", UID: "uid-1", Address: s.Addr()}
	for _, step := range []model.Step{model.Promote{Node: at}, model.Follow{Node: at, Primary: ref(0)}} {
		if _, err := w.Do(t.Context(), shard, w.planned(step)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"REPLICAOF NO ONE", "REPLICAOF 10.0.0.1 6379"}; !slices.Equal(s.Got(), want) {
		t.Errorf("told %q, want %q", s.Got(), want)
	}
}

func TestADrainSendsAwayUsersAndNobodyElse(t *testing.T) {
	w, s := newWorld(t), fake.Listen(t, loopback)
	s.Reply("CLIENT LIST TYPE normal", fake.Bulk(
		"id=1 addr=10.0.0.9:1 name= user=default age=1 idle=0 flags=N cmd=get\n"+
			"id=2 addr=10.0.0.8:1 name=valkeeper user=valkeeper age=1 idle=0 flags=N cmd=info\n"+
			"id=3 addr=10.0.0.7:1 name= user=replication age=1 idle=0 flags=N cmd=psync\n"))
	s.Reply("CLIENT LIST TYPE pubsub", fake.Bulk(""))
	s.Reply("CLIENT KILL", ":1\r\n")
	if _, err := w.Do(t.Context(), shard, model.Drain{Node: model.Ref{UID: "uid-1", Address: s.Addr()}}); err != nil {
		t.Fatal(err)
	}
	if got := s.Got(); got[len(got)-1] != "CLIENT KILL ID 1" {
		t.Errorf("told %q", got)
	}
}

func TestWhoIsDemotedIsLeftByItsClients(t *testing.T) {
	const clients = "id=7 addr=10.0.0.9:1 name= user=default age=1 idle=1 flags=N cmd=set\n"
	for _, demotes := range []bool{true, false} {
		p := newPair(t)
		p.old.Reply("CLIENT LIST TYPE normal", fake.Bulk(clients))
		p.old.Reply("CLIENT KILL", ":1\r\n")
		step := model.Follow{Node: p.step.From, Primary: p.step.To, Demotes: demotes}
		p.planned(step)
		if _, err := p.Do(t.Context(), shard, step); err != nil {
			t.Fatal(err)
		}
		if !sent(p.old, "REPLICAOF") || sent(p.old, "CLIENT KILL ID 7") != demotes {
			t.Errorf("demoted: %t; sent %q", demotes, p.old.Got())
		}
		if sent(p.old, "CLIENT UNPAUSE") != demotes {
			t.Errorf("demoted: %t; what held back writes still does, or did not have to: %q", demotes, p.old.Got())
		}
		if moved := slices.Contains(p.asked, "patch cart-primary"); moved != demotes {
			t.Errorf("demoted: %t; the Service was moved: %t", demotes, moved)
		}
	}
}
