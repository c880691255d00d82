package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

func TestOperatorsUserMayDoWhatTheClientDoesAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			set := Set(t, Spec{Version: version}, Spec{Version: version})
			everyMethodWorks(t, set)
			refusedToUser(t, set[0], OperatorUser, [][]string{
				{"GET", "a"}, {"SET", "a", "b"}, {"DEL", "a"}, {"KEYS", "*"}, {"SCAN", "0"}, {"RANDOMKEY"}, {"DBSIZE"},
				{"FLUSHALL"}, {"FLUSHDB"}, {"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "REWRITE"}, {"CONFIG", "RESETSTAT"},
				{"EVAL", "return 1", "0"}, {"FUNCTION", "LIST"}, {"ACL", "LIST"}, {"ACL", "SETUSER", "x"}, {"ACL", "LOAD"},
				{"SHUTDOWN", "NOSAVE"}, {"DEBUG", "SLEEP", "0"}, {"MONITOR"}, {"SYNC"}, {"PSYNC", "?", "-1"},
				{"SUBSCRIBE", "c"}, {"PUBLISH", "c", "m"}, {"CLIENT", "NO-EVICT", "on"}, {"BGSAVE"}, {"SAVE"},
				{"MODULE", "LIST"}, {"MIGRATE", "h", "1", "k", "0", "1"}, {"SWAPDB", "0", "1"}, {"MULTI"},
			})
		})
	}
}

func everyMethodWorks(t *testing.T, set []*Server) {
	t.Helper()
	ctx := context.Background()
	primary, replica := set[0].Node(), set[1].Node()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	info, err := primary.Info(ctx)
	check("Info", err)
	if info.Role != valkey.RolePrimary || len(info.Replicas) != 1 {
		t.Errorf("info %+v", info)
	}
	state, err := replica.Role(ctx)
	check("Role", err)
	if state.Role != valkey.RoleReplica || state.PrimaryHost != set[0].Host || state.PrimaryPort != set[0].Port || state.Link != "connected" {
		t.Errorf("role %+v", state)
	}
	check("RewriteLog", primary.RewriteLog(ctx))
	check("PauseWrites", primary.PauseWrites(ctx, time.Second))
	if info, _ = primary.Info(ctx); info.PausedActions != "write" || info.PausedReason != "client_pause" || info.PausedFor <= 0 {
		t.Errorf("paused %q %q for %v", info.PausedActions, info.PausedReason, info.PausedFor)
	}
	check("Unpause", primary.Unpause(ctx))
	notPaused(t, set[0])
	check("GetAck", replica.GetAck(ctx, 1))
	check("GetAck again", replica.GetAck(ctx, 1))
	settings, err := primary.ConfigGet(ctx, "repl-timeout")
	check("ConfigGet", err)
	if settings["repl-timeout"] != "60" {
		t.Errorf("settings %v", settings)
	}
	_, err = primary.Clients(ctx)
	check("Clients", err)
	_, err = primary.KillClients(ctx, ReplicationUser)
	check("KillClients", err)
	if err := primary.FailoverAbort(ctx); !errors.Is(err, valkey.ErrNoFailover) {
		t.Errorf("FailoverAbort with nothing to abort: %v", err)
	}
	if err := primary.Failover(ctx, "127.0.0.1", 1, time.Second); !errors.Is(err, valkey.ErrNotAReplica) {
		t.Errorf("Failover to a stranger: %v", err)
	}
	if err := replica.Failover(ctx, "127.0.0.1", 1, time.Second); !errors.Is(err, valkey.ErrIsReplica) {
		t.Errorf("Failover of a replica: %v", err)
	}
	check("ReplicaOfNoOne", replica.ReplicaOfNoOne(ctx))
	check("ReplicaOf", replica.ReplicaOf(ctx, set[0].Host, set[0].Port))
}

func refusedToUser(t *testing.T, s *Server, user string, commands [][]string) {
	t.Helper()
	conn, err := DialWire(s, user)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, command := range commands {
		if _, err := conn.Do(command...); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			// MULTI needs no permission by itself on no version; all else must be refused.
			t.Errorf("%s may %v: %v", user, command, err)
		}
	}
}

func TestReplicationUserMayReplicateAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			s := Start(t, Spec{Version: version})
			refusedToUser(t, s, ReplicationUser, [][]string{
				{"GET", "a"}, {"SET", "a", "b"}, {"INFO"}, {"ROLE"}, {"CONFIG", "GET", "*"}, {"REPLICAOF", "NO", "ONE"},
				{"FAILOVER"}, {"CLIENT", "LIST"}, {"CLIENT", "KILL", "TYPE", "normal"}, {"ACL", "LIST"}, {"SHUTDOWN"}, {"FLUSHALL"},
			})
		})
	}
}

func TestWrongPasswordAndMissingPermissionAreTold(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := Start(t, Spec{Version: V91})
	_, err := valkey.Dialer{Username: OperatorUser, Password: "wrong"}.Dial(ctx, s.Addr())
	if !errors.Is(err, valkey.ErrAuth) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
	node, err := valkey.Dialer{}.Dial(ctx, s.Addr())
	if err == nil {
		_, err = node.Info(ctx)
		node.Close()
	}
	if !errors.Is(err, valkey.ErrAuth) {
		t.Errorf("no password: %v", err)
	}
	s.Must("ACL", "SETUSER", OperatorUser, "-replconf")
	limited := s.Node()
	Eventually(t, "GetAck tells that it is not permitted", func() bool {
		return errors.Is(limited.GetAck(ctx, 1), valkey.ErrAuth)
	})
	s.Kill()
	if _, err := limited.Info(ctx); !errors.Is(err, valkey.ErrRefused) {
		t.Errorf("a killed server: %v", err)
	}
	s.Spec.Config = []string{"# again"}
	s.Start()
	if _, err := limited.Info(ctx); err != nil {
		t.Errorf("the same Node with the server back: %v", err)
	}
}
