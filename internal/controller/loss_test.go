package controller

import (
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	servertest "github.com/valkeeper/valkeeper/internal/servers/fake"
)

// bereaved is an instance whose primary's server has ended, or says nothing any more.
// Kubernetes knows of nothing. The replica's link is as told.
func bereaved(t *testing.T, loss func(s *servertest.Server), link map[string]string) (l *loop, old string) {
	t.Helper()
	l = formed(t)
	was := l.primary
	loss(l.servers[was])
	says := servertest.Replica(l.servers[was].Addr(), "h1", 100)
	for name, value := range link {
		says[name] = value
	}
	l.servers[1-was].Info(says)
	l.primary, l.follows[1-was] = -1, false // whom the next REPLICAOF makes primary
	return l, l.valkey(t).Status.Primary
}

// awaitPrimary turns until the primary Service leads elsewhere, and says how many turns
// that took; 0 for never.
func (l *loop) awaitPrimary(t *testing.T, old string, most int) int {
	t.Helper()
	for k := range most {
		if _, err := l.turnOnce(t); err != nil {
			t.Fatal(err)
		}
		slice := &discoveryv1.EndpointSlice{}
		if err := l.api.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "cart-primary"}, slice); err != nil {
			t.Fatal(err)
		}
		if len(slice.Endpoints) == 1 && slice.Endpoints[0].TargetRef.Name != old {
			return k + 1
		}
	}
	return 0
}

func TestAKilledPrimaryIsReplacedBeforeKubernetesKnows(t *testing.T) {
	l, old := bereaved(t, (*servertest.Server).End, map[string]string{"master_link_status": "down", "master_link_down_since_seconds": "0"})
	if !alarmed(t, l.Sentries, soon) {
		t.Error("its sentry has raised no alarm")
	}
	if turns := l.awaitPrimary(t, old, 5); turns == 0 || turns > 3 {
		t.Errorf("the Service led to another one after %d turns", turns)
	}
	f := l.valkey(t).Status.LastFailover
	if f == nil || f.From != old || f.To == old || f.Why == "" {
		t.Errorf("status.lastFailover is %+v", f)
	}
}

func TestAKilledPrimaryWhoseReplicaStillHearsItIsNotReplaced(t *testing.T) {
	l, old := bereaved(t, (*servertest.Server).End, map[string]string{"master_link_status": "up", "master_last_io_seconds_ago": "0"})
	if turns := l.awaitPrimary(t, old, 5); turns != 0 {
		t.Error("it was replaced")
	}
	if c := conditionOf(l.valkey(t), "Progressing"); c.Reason != "PrimaryNotVisible" {
		t.Errorf("Progressing: %+v", c)
	}
}

func TestASilentPrimaryIsReplacedOnceItHasHadItsTime(t *testing.T) {
	l, old := bereaved(t, (*servertest.Server).Silent, map[string]string{"master_link_status": "up", "master_last_io_seconds_ago": "60"})
	if turns := l.awaitPrimary(t, old, 2); turns != 0 {
		t.Error("it was replaced at once")
	}
	deadline := time.Now().Add(20 * time.Second)
	for l.awaitPrimary(t, old, 1) == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("it was not replaced: %+v", l.valkey(t).Status.Conditions)
		}
		time.Sleep(busyEvery) // as the queue would
	}
}
