package render

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/conformance"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// All of them run on this machine, and so they have one name.
const everybody = "localhost"

// realSentinel is a Sentinel's pod on this machine.
type realSentinel struct {
	*sentinelStart
	address string
	kill    func()
}

// newRealSentinel makes a pod with what was rendered, and starts it.
func newRealSentinel(t *testing.T, root string, v *v1alpha1.Valkey, r Rendered, ordinal int) *realSentinel {
	t.Helper()
	s := &realSentinel{sentinelStart: newSentinelStart(t)}
	address, port := freePort(t)
	s.address = address
	conf := strings.NewReplacer(confFolder, s.dir+"/conf", "dir "+dataFolder, "dir "+s.dir+"/data",
		"port 26379", "port "+port, "bind * -::*", "bind 127.0.0.1").Replace(r.Sentinels.ConfigMap.Data[sentinelConfFile])
	for name, content := range map[string]string{
		"conf/sentinel.conf":             conf,
		"conf/secret/sentinel-auth.conf": string(r.SystemSecret.Data[sentinelAuthFile]),
		"conf/secret/sentinel-users.acl": string(r.SystemSecret.Data[sentinelACLFile]),
		"bin/valkey-server":              "#!/bin/sh\nexec " + strings.Join(serverProgram(root), " ") + ` "$@"` + "\n",
	} {
		_ = os.Remove(s.dir + "/" + name)
		s.write(name, content, 0o755)
	}
	s.env = append(s.env, "POD_NAME="+v.SentinelName()+"-"+strconv.Itoa(ordinal), "ID_PREFIX="+v.SentinelIDPrefix(), "ANNOUNCE_HOSTNAME="+everybody)
	s.start()
	return s
}

// start is the start of the pod's container.
func (s *realSentinel) start() {
	s.t.Helper()
	cmd := exec.Command("sh", s.dir+"/start-sentinel.sh")
	cmd.Env = s.env
	s.kill = listening(s.t, cmd, s.address)
}

// node is the operator's connection.
func operatorAt(t *testing.T, address string) *valkey.Node {
	t.Helper()
	node, err := valkey.Dialer{Username: v1alpha1.OperatorUser, Password: "operatorpassword"}.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	return node
}

// told is what the operator tells a Sentinel that knows nobody.
func (s *realSentinel) told(primary string) {
	s.t.Helper()
	_, text, _ := net.SplitHostPort(primary)
	port, _ := strconv.Atoi(text)
	node := operatorAt(s.t, s.address)
	err := errors.Join(node.SentinelMonitor(s.t.Context(), "mymaster", everybody, port, 2),
		node.SentinelSet(s.t.Context(), "mymaster", valkey.Setting{Name: "auth-user", Value: v1alpha1.SentinelUser},
			valkey.Setting{Name: "auth-pass", Value: "sentinelpassword"}))
	if err != nil {
		s.t.Fatal(err)
	}
}

// knows waits until the Sentinel knows the primary under its name, the other two
// Sentinels and one replica that it never chooses, and each of them once.
func (s *realSentinel) knows(when string) {
	s.t.Helper()
	var seen string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		node := operatorAt(s.t, s.address)
		primary, err := node.SentinelPrimary(s.t.Context(), "mymaster")
		replicas, err2 := node.SentinelReplicas(s.t.Context(), "mymaster")
		node.Close()
		seen = fmt.Sprintf("%+v, replicas %+v: %v", primary, replicas, errors.Join(err, err2))
		if err == nil && primary.Host == everybody && primary.OtherSentinels == 2 && primary.RunID != "" &&
			len(replicas) == 1 && replicas[0].Host == everybody && replicas[0].Priority == 0 && replicas[0].LinkUp {
			return
		}
	}
	s.t.Fatalf("%s: %s", when, seen)
}

// Real servers and Sentinels of both versions, started with what is written for
// their pods, find each other by their names; and one that has lost what it knew is
// the one that it was.
func TestRealSentinelsFindEachOtherAndComeBackAsThemselves(t *testing.T) {
	for _, version := range conformance.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			root := conformance.Root(t, version)
			v := instance(t, `{topology: Sentinel, replicas: 1, version: "`+string(version)+`"}`)
			r := rendered(t, v, fixed())
			primary := startServer(t, root, r, "--replica-announce-ip", everybody)
			replica := startServer(t, root, r, "--replica-announce-ip", everybody)
			_, port, _ := net.SplitHostPort(primary)
			ask(t, primary, "AUTH valkeeper operatorpassword", "REPLICAOF NO ONE")
			ask(t, replica, "AUTH valkeeper operatorpassword", "REPLICAOF "+everybody+" "+port)

			var all []*realSentinel
			for i := range 3 {
				s := newRealSentinel(t, root, v, r, i)
				isNewAs(t, s, v.SentinelID(i))
				s.told(primary)
				all = append(all, s)
			}
			for _, s := range all {
				s.knows("all of them are new")
			}
			clientsMayAskAndNothingElse(t, all[0].address)

			all[1].kill() // a container that restarts
			all[1].start()
			all[1].knows("after a restart, without being told")
			all[2].kill() // a pod that is another one
			if err := os.RemoveAll(all[2].dir + "/data"); err != nil {
				t.Fatal(err)
			}
			all[2].write("data/lost+found", "", 0o400)
			all[2].start()
			isNewAs(t, all[2], v.SentinelID(2))
			all[2].told(primary)
			for _, s := range all {
				s.knows("one of them has lost what it knew")
			}
			for what, address := range map[string]string{"primary": primary, "replica": replica} {
				if denied := ask(t, address, "AUTH default defaultpassword", "ACL LOG"); denied != "*0\r\n" {
					t.Errorf("the %s refused somebody something: %q", what, denied)
				}
			}
		})
	}
}

// isNewAs says that a Sentinel has that id and monitors nobody.
func isNewAs(t *testing.T, s *realSentinel, id string) {
	t.Helper()
	node := operatorAt(t, s.address)
	got, err := node.SentinelID(t.Context())
	if err != nil || got != id {
		t.Errorf("a new Sentinel has the id %q, want %s: %v", got, id, err)
	}
	if _, err := node.SentinelPrimary(context.Background(), "mymaster"); !errors.Is(err, valkey.ErrNoSuchPrimary) {
		t.Errorf("a new Sentinel monitors somebody: %v", err)
	}
}

func clientsMayAskAndNothingElse(t *testing.T, address string) {
	t.Helper()
	if got := ask(t, address, "PING"); !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("without a password: %q", got)
	}
	const login = "AUTH default defaultpassword"
	for _, command := range []string{"PING", "INFO", "ROLE", "COMMAND COUNT", "CLIENT SETNAME me", "CLIENT SETINFO LIB-NAME a", "CLIENT ID", "HELLO 3",
		"SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", "SENTINEL GET-PRIMARY-ADDR-BY-NAME mymaster", "SENTINEL MASTERS", "SENTINEL PRIMARIES",
		"SENTINEL MASTER mymaster", "SENTINEL PRIMARY mymaster", "SENTINEL REPLICAS mymaster", "SENTINEL SLAVES mymaster",
		"SENTINEL SENTINELS mymaster", "SENTINEL CKQUORUM mymaster", "SENTINEL MYID", "SUBSCRIBE +switch-master", "PSUBSCRIBE *"} {
		if got := ask(t, address, login, command); strings.HasPrefix(got, "-NOPERM") || strings.HasPrefix(got, "-ERR") {
			t.Errorf("a client is answered to %s: %q", command, got)
		}
	}
	for _, command := range []string{"SENTINEL FAILOVER mymaster", "SENTINEL RESET *", "SENTINEL REMOVE mymaster", "SENTINEL SET mymaster quorum 1",
		"SENTINEL MONITOR a 127.0.0.1 1 1", "SENTINEL CONFIG GET *", "SENTINEL FLUSHCONFIG", "SENTINEL SIMULATE-FAILURE help",
		"SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *", "PUBLISH __sentinel__:hello a", "SHUTDOWN", "ACL LIST", "CLIENT LIST", "CLIENT KILL TYPE normal"} {
		if got := ask(t, address, login, command); !strings.HasPrefix(got, "-NOPERM") {
			t.Errorf("a client is answered to %s: %q", command, got)
		}
	}
}
