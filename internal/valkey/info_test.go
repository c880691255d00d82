package valkey

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func captured(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInfoOfRealServersIsRead(t *testing.T) {
	for _, version := range []string{"8.1", "9.1"} {
		t.Run(version+" primary", func(t *testing.T) {
			info, err := ParseInfo(captured(t, "info-"+version+"-primary.txt"))
			if err != nil {
				t.Fatal(err)
			}
			if info.Role != RolePrimary || !strings.HasPrefix(info.Version, version) || len(info.RunID) != 40 {
				t.Errorf("role %v, version %q, run id %q", info.Role, info.Version, info.RunID)
			}
			if info.Offset != 158 || info.Keys != 2 || info.SecondReplOffset != -1 || info.Failover != FailoverNone {
				t.Errorf("offset %d, keys %d, second offset %d, failover %q", info.Offset, info.Keys, info.SecondReplOffset, info.Failover)
			}
			if info.PausedActions != "none" || info.PausedFor != 0 || info.Loading || !info.LastBgsaveOK {
				t.Errorf("paused %q for %v, loading %v, bgsave ok %v", info.PausedActions, info.PausedFor, info.Loading, info.LastBgsaveOK)
			}
			if !info.LastAOFWriteOK || !info.LastAOFRewriteOK {
				t.Errorf("append-only file written %v, written anew %v", info.LastAOFWriteOK, info.LastAOFRewriteOK)
			}
			port := map[string]int{"8.1": 17011, "9.1": 17021}[version]
			want := ReplicaLine{Host: "127.0.0.1", Port: port, State: ReplicaOnline, Offset: 158, Lag: info.Replicas[0].Lag, Type: "replica"}
			if len(info.Replicas) != 1 || info.Replicas[0] != want {
				t.Errorf("replicas %+v, want %+v", info.Replicas, want)
			}
		})
		t.Run(version+" replica", func(t *testing.T) {
			info, err := ParseInfo(captured(t, "info-"+version+"-replica.txt"))
			if err != nil {
				t.Fatal(err)
			}
			port := map[string]int{"8.1": 17010, "9.1": 17020}[version]
			if info.ReplicaPriority != 100 {
				t.Errorf("priority %d", info.ReplicaPriority)
			}
			if info.Role != RoleReplica || info.PrimaryHost != "127.0.0.1" || info.PrimaryPort != port || !info.LinkUp {
				t.Errorf("role %v of %s:%d, link up %v", info.Role, info.PrimaryHost, info.PrimaryPort, info.LinkUp)
			}
			if info.ReplicaOffset != 158 || info.Offset != 158 || info.SyncInProgress || info.LinkDownSeconds != 0 {
				t.Errorf("offsets %d %d, sync %v, down %d s", info.ReplicaOffset, info.Offset, info.SyncInProgress, info.LinkDownSeconds)
			}
		})
		t.Run(version+" replica of nobody", func(t *testing.T) {
			info, err := ParseInfo(captured(t, "info-"+version+"-replica-of-nobody.txt"))
			if err != nil {
				t.Fatal(err)
			}
			if info.Role != RoleReplica || info.LinkUp || info.PrimaryPort != 1 || info.LinkDownSeconds != -1 {
				t.Errorf("role %v, link up %v, port %d, down %d s", info.Role, info.LinkUp, info.PrimaryPort, info.LinkDownSeconds)
			}
			if info.Keys != 0 || info.Offset != 0 || len(info.Replicas) != 0 {
				t.Errorf("keys %d, offset %d, replicas %v", info.Keys, info.Offset, info.Replicas)
			}
		})
	}
}

func TestMalformedInfoNamesTheField(t *testing.T) {
	good := captured(t, "info-9.1-primary.txt")
	rows := []struct{ name, old, new, field string }{
		{"the role is a word that we do not know", "role:master", "role:sentinel", "role"},
		{"the run id is missing", "run_id:", "run_ib:", "run_id"},
		{"the offset is no number", "master_repl_offset:158", "master_repl_offset:many", "master_repl_offset"},
		{"the offset is missing", "master_repl_offset:", "x:", "master_repl_offset"},
		{"a replica's line is cut off", "state=online,offset=158", "state=online", "slave0"},
		{"a replica has no address", "slave0:ip=127.0.0.1,", "slave0:ip=,", "slave0"},
		{"a database's key count is no number", "db3:keys=1", "db3:keys=", "db3"},
		{"the failover state is missing", "master_failover_state:", "x:", "master_failover_state"},
		{"the replication id is empty", "master_replid:", "master_replid:\r\nx:", "master_replid"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(good, row.old, row.new, 1)
			if text == good {
				t.Fatalf("%q is not in the text", row.old)
			}
			_, err := ParseInfo(text)
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), row.field+":") {
				t.Errorf("error %v, want one that names %s", err, row.field)
			}
		})
	}
	if _, err := ParseInfo(""); !errors.Is(err, ErrMalformed) {
		t.Errorf("empty text: %v", err)
	}
}

func TestPausesAreRead(t *testing.T) {
	good := captured(t, "info-9.1-primary.txt")
	text := strings.NewReplacer("paused_reason:none", "paused_reason:failover_in_progress",
		"paused_actions:none", "paused_actions:write",
		"paused_timeout_milliseconds:0", "paused_timeout_milliseconds:9223370241390000000").Replace(good)
	info, err := ParseInfo(text)
	if err != nil || info.PausedActions != "write" || info.PausedReason != "failover_in_progress" || info.PausedFor != 0 {
		t.Errorf("a failover's pause has no end: %q %q %v, %v", info.PausedActions, info.PausedReason, info.PausedFor, err)
	}
	text = strings.Replace(good, "paused_timeout_milliseconds:0", "paused_timeout_milliseconds:2500", 1)
	if info, err = ParseInfo(text); err != nil || info.PausedFor != 2500*time.Millisecond {
		t.Errorf("paused for %v, %v", info.PausedFor, err)
	}
}

func TestWhatAServerFailedToWriteIsRead(t *testing.T) {
	text := captured(t, "info-9.1-primary.txt")
	for field, is := range map[string]func(Info) bool{
		"rdb_last_bgsave_status":    func(i Info) bool { return i.LastBgsaveOK },
		"aof_last_write_status":     func(i Info) bool { return i.LastAOFWriteOK },
		"aof_last_bgrewrite_status": func(i Info) bool { return i.LastAOFRewriteOK },
	} {
		failed := strings.Replace(text, field+":ok", field+":err", 1)
		if info, err := ParseInfo(failed); err != nil || failed == text || is(info) {
			t.Errorf("%s: %v, ok %t", field, err, is(info))
		}
	}
}
