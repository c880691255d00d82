package observe

import (
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
)

// ears is an observer whose silences are measured by a clock that a test moves.
type ears struct {
	Observer
	at time.Time
}

func newEars(t *testing.T) *ears {
	e := &ears{at: now}
	silence := NewSilence()
	silence.now = func() time.Time { return e.at }
	e.Observer = Observer{Servers: servers.NewPool(), Silence: silence}
	t.Cleanup(func() { e.Servers.Keep("default/cart", nil) })
	return e
}

// look asks one server, so much later.
func (e *ears) look(t *testing.T, s *fake.Server, later time.Duration) (n model.Node, took time.Duration) {
	t.Helper()
	e.at = e.at.Add(later)
	n = at(s, model.PodRunning)
	n.UID = "uid-0"
	began := time.Now()
	e.askAll(t.Context(), round{instance: "default/cart"}, []*model.Node{&n})
	return n, time.Since(began)
}

func TestASilenceBeginsWithTheFirstQuestionThatIsNotAnswered(t *testing.T) {
	e, s := newEars(t), fake.Listen(t, loopback)
	s.Info(fake.Primary("h1", 10))
	if n, _ := e.look(t, s, 0); n.SilentFor != 0 || !n.Server.Answered {
		t.Fatalf("%+v", n)
	}
	s.Silent()
	for _, row := range []struct{ later, want time.Duration }{{time.Hour, 0}, {time.Second, time.Second}, {3 * time.Second, 4 * time.Second}} {
		if n, _ := e.look(t, s, row.later); n.SilentFor != row.want || n.Server.Answered {
			t.Errorf("silent for %s, want %s", n.SilentFor, row.want)
		}
	}
	s.Speak()
	if n, _ := e.look(t, s, 3*time.Second); n.SilentFor != 0 || !n.Server.Answered {
		t.Errorf("it answers again, and has been silent for %s", n.SilentFor)
	}
}

func TestAServerKnownToBeSilentIsOnlyKnockedAtMostOfTheTime(t *testing.T) {
	e, s := newEars(t), fake.Listen(t, loopback)
	s.Silent()
	if _, took := e.look(t, s, 0); took < commandPatience {
		t.Errorf("the first time it was waited for only %s", took)
	}
	if _, took := e.look(t, s, time.Second); took >= commandPatience {
		t.Errorf("in between it was waited for %s", took)
	}
	if _, took := e.look(t, s, patientEvery); took < commandPatience {
		t.Errorf("now and then it is waited for as any other, and was only %s", took)
	}
}

func TestASentinelKnownToBeSilentIsOnlyKnockedAtMostOfTheTime(t *testing.T) {
	e, s := newEars(t), sentinelServer(t)
	s.Silent()
	look := func(later time.Duration) time.Duration {
		e.at = e.at.Add(later)
		set := model.SentinelSet{Nodes: []model.SentinelNode{{Phase: model.PodRunning, Ref: model.Ref{UID: "uid-s", Address: s.Addr()}}}}
		began := time.Now()
		e.askSentinels(t.Context(), round{instance: "default/cart", aliases: names}, "mymaster", &set)
		return time.Since(began)
	}
	if took := look(0); took < commandPatience {
		t.Errorf("the first time it was waited for only %s", took)
	}
	if took := look(time.Second); took >= commandPatience {
		t.Errorf("in between it was waited for %s", took)
	}
	if took := look(patientEvery); took < commandPatience {
		t.Errorf("now and then it is waited for as any other, and was only %s", took)
	}
}

// commandPatience is well above partingTimeout, and below what a server in its usual
// state of health is given to answer.
const commandPatience = 600 * time.Millisecond

func TestAServerThatAnswersWithAnErrorIsNotSilent(t *testing.T) {
	e, s := newEars(t), fake.Listen(t, loopback)
	s.Reply("INFO", "-BUSY Valkey is busy running a script\r\n")
	for range 3 {
		if n, _ := e.look(t, s, time.Minute); n.SilentFor != 0 || n.Server.Answered || n.Trouble == "" {
			t.Errorf("%+v", n)
		}
	}
}

func TestSilencesOfPodsThatAreNoMoreAreForgotten(t *testing.T) {
	e, s := newEars(t), fake.Listen(t, loopback)
	s.End()
	e.look(t, s, 0)
	e.Silence.Keep("default/other", nil)
	if n, _ := e.look(t, s, time.Minute); n.SilentFor != time.Minute || !n.Refuses {
		t.Errorf("%+v", n)
	}
	e.Silence.Keep("default/cart", map[string]bool{"uid-1": true})
	if n, _ := e.look(t, s, time.Minute); n.SilentFor != 0 {
		t.Errorf("silent for %s", n.SilentFor)
	}
}

// The server's connection breaks with its process, and the next question is refused.
func TestAServerThatHasJustEndedRefuses(t *testing.T) {
	e, s := newEars(t), fake.Listen(t, loopback)
	s.Info(fake.Primary("h1", 10))
	e.look(t, s, 0)
	s.End()
	if n, took := e.look(t, s, 0); !n.Refuses || n.Dead || took > commandPatience {
		t.Errorf("%+v after %s", n, took)
	}
}
