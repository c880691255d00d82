package handover

import (
	"context"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// sought is a node to which one client comes before each look.
type sought struct{ looks int }

func (*sought) Addr() string { return "10.0.0.1:6379" }

func (*sought) Clients(context.Context, ...string) ([]valkey.ClientInfo, error) { return nil, nil }

func (s *sought) KillClients(context.Context, ...string) (int, error) {
	s.looks++
	return 1, nil
}

// The role may come back to a node that is still being drained of those who come late.
func TestADrainEndsWhenTheNodeServesAgain(t *testing.T) {
	node := &sought{}
	drained, err := Drain(t.Context(), node, DrainOptions{Every: time.Microsecond, AtLeast: time.Hour, Timeout: time.Hour,
		While: func(context.Context) bool { return node.looks < 3 }})
	if err != nil || drained.Killed != 3 || node.looks != 3 {
		t.Errorf("%+v after %d looks, %v", drained, node.looks, err)
	}
}
