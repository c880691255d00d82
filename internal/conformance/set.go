package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// waitLimit is how long a condition may take before the scenario has failed.
const waitLimit = 20 * time.Second

// Eventually waits until the condition holds; what is said in the failure.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Node is the operator's client of this server.
func (s *Server) Node() *valkey.Node {
	s.t.Helper()
	node, err := s.dialNode()
	// A Sentinel closes all connections of a node whose role it has changed.
	for attempt := 0; errors.Is(err, valkey.ErrClosed) && attempt < 3; attempt++ {
		node, err = s.dialNode()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(node.Close)
	return node
}

func (s *Server) dialNode() (*valkey.Node, error) {
	d := valkey.Dialer{Username: OperatorUser, Password: Password}
	return d.Dial(context.Background(), s.Addr())
}

// Do runs one command as the user who may do everything.
func (s *Server) Do(args ...string) (string, error) {
	conn, err := DialWire(s, TestUser)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.Do(args...)
}

// Must is Do that has to succeed.
func (s *Server) Must(args ...string) string {
	s.t.Helper()
	reply, err := s.Do(args...)
	if err != nil {
		s.t.Fatalf("%s: %v: %v", s.Addr(), args, err)
	}
	return reply
}

// Info is what the server says, or false if it does not answer.
func (s *Server) Info() (valkey.Info, bool) {
	text, err := s.Do("INFO", "server", "clients", "persistence", "replication", "keyspace")
	if err != nil {
		return valkey.Info{}, false
	}
	info, err := valkey.ParseInfo(text)
	return info, err == nil
}

// Follow makes s a replica of primary and waits until it is synced.
func (s *Server) Follow(primary *Server) {
	s.t.Helper()
	node := s.Node()
	if err := node.ReplicaOf(context.Background(), primary.Announced(), primary.Port); err != nil {
		s.t.Fatal(err)
	}
	s.WaitSynced(primary)
}

// WaitSynced waits until s follows primary and has acknowledged its stream: the
// link alone proves nothing (8.1 after a diskless sync).
func (s *Server) WaitSynced(primary *Server) {
	s.t.Helper()
	node := s.Node()
	defer node.Close()
	Eventually(s.t, s.Addr()+" synced with "+primary.Addr(), func() bool {
		_ = node.GetAck(context.Background(), 1)
		info, ok := s.Info()
		if !ok || !info.LinkUp || info.PrimaryHost != primary.Announced() || info.PrimaryPort != primary.Port {
			return false
		}
		of, _ := primary.Info()
		line, ok := primary.line(s)
		return ok && line.State == valkey.ReplicaOnline && of.Offset-line.Offset < 1<<20 &&
			(line.Offset > 0 || of.Offset == 0)
	})
}

// WaitAcknowledged waits until s has acknowledged all of primary's stream; with
// writers about that may never be.
func (s *Server) WaitAcknowledged(primary *Server) {
	s.t.Helper()
	node := s.Node()
	defer node.Close()
	Eventually(s.t, s.Addr()+" acknowledged everything", func() bool {
		_ = node.GetAck(context.Background(), 1)
		of, _ := primary.Info()
		line, ok := primary.line(s)
		return ok && line.State == valkey.ReplicaOnline && line.Offset == of.Offset
	})
}

// line is the replica as its primary shows it.
func (s *Server) line(replica *Server) (valkey.ReplicaLine, bool) {
	info, _ := s.Info()
	for _, line := range info.Replicas {
		if line.Host == replica.Announced() && line.Port == replica.Port {
			return line, true
		}
	}
	return valkey.ReplicaLine{}, false
}

// Writable says whether an application can write here now.
func (s *Server) Writable() bool {
	conn, err := DialWire(s, TestUser)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.Timeout = 250 * time.Millisecond
	_, err = conn.Do("SET", "writable?", "yes")
	return err == nil
}

// Set starts a primary and replicas that are synced with it, all booted as the
// operator boots them: under the guard, and then promoted.
func Set(t testing.TB, specs ...Spec) []*Server {
	t.Helper()
	var set []*Server
	for _, spec := range specs {
		spec.Guard = true
		set = append(set, New(t, spec))
	}
	for _, s := range set {
		s.Start()
	}
	if err := set[0].Node().ReplicaOfNoOne(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, replica := range set[1:] {
		replica.Follow(set[0])
	}
	set[0].Must("SET", "first", "write")
	return set
}
