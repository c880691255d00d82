package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// What a handover leaves behind must not stand in the way of the Sentinels: if the
// new primary dies right after it, they fail over as ever.
func TestSentinelsFailOverRightAfterAHandover(t *testing.T) {
	t.Parallel()
	rows := []struct {
		way     handover.Way
		noHello bool
		version Version
	}{
		{handover.WayCoordinated, false, V91},
		{handover.WayCoordinated, true, V91},
		{handover.WayDirect, false, V91},
		{handover.WayDirect, false, V81},
		{handover.WayDirect, true, V81},
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%s %s no hello %t", row.version, row.way, row.noHello), func(t *testing.T) {
			t.Parallel()
			w := FormWatch(t, specs(3, row.version), specs(3, row.version))
			result := w.HandOver(t, &Clients{}, w.Data[0], row.way, row.noHello)
			took := w.at(result.TargetHost, itoa(result.TargetPort))
			w.repoint(took)
			w.WaitComplete(took)
			for _, s := range w.Data {
				if s != took {
					s.WaitAcknowledged(took)
				}
			}
			took.Kill()
			start := time.Now()
			next := w.anyPrimary(t, took)
			t.Logf("another one is primary after %v", time.Since(start).Round(10*time.Millisecond))
			if next.Must("GET", "first") != "write" {
				t.Error("without its data")
			}
		})
	}
}

// Sentinels have data nodes write their configuration (CONFIG REWRITE), and there is
// no telling them not to. So what a node starts with has to be out of its reach, or
// be written anew before every start: else the guard is gone from it.
func TestSentinelsRewriteWhatANodeStartsWith(t *testing.T) {
	t.Parallel()
	w := FormWatch(t, specs(2, V91), specs(3, V91))
	old := w.Data[0]
	conf := filepath.Join(old.Dir, "valkey.conf")
	must(t, old.Node().SetReplicaPriority(t.Context(), 7))
	w.HandOver(t, &Clients{}, old, handover.WayCoordinated, true)
	w.eventually("the old primary's file names whom it follows", func() string {
		text, err := os.ReadFile(conf)
		if err != nil {
			return err.Error()
		}
		if strings.Contains(string(text), "replicaof "+w.Data[1].Host) && strings.Contains(string(text), "replica-priority 7") {
			return ""
		}
		return string(text)
	})
}

// That it cannot be written is no obstacle to what goes with it.
func TestSentinelsNeedNoConfigurationThatCanBeWritten(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			data := specs(3, version)
			for i := range data {
				data[i].NoFile = true
			}
			w := FormWatch(t, data, specs(3, version))
			if reply, err := w.Data[0].Do("CONFIG", "REWRITE"); err == nil {
				t.Fatalf("it has a file: %s", reply)
			}
			took := w.plainFailoverWithin(t, 10*time.Second)
			if took == nil {
				t.Fatal("no plain failover")
			}
			w.WaitComplete(took)
			for _, s := range w.Data {
				if s != took {
					w.eventually("the others follow", func() string {
						info, _ := s.Info()
						if info.Role == valkey.RoleReplica && info.PrimaryHost == took.Host && info.LinkUp {
							return ""
						}
						return fmt.Sprintf("%s of %s", info.Role, info.PrimaryHost)
					})
				}
			}
		})
	}
}
