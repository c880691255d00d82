package render

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/conformance"
)

// Real servers of both versions read every setting that we write, boot as
// replicas, and let in whom they should.
func TestRealServersReadWhatIsWritten(t *testing.T) {
	specs := map[string]string{
		"nothing persisted": `{topology: Replication, resources: {limits: {memory: 256Mi}}}`,
		"snapshots":         `{topology: Standalone, storage: {size: 1Gi}}`,
		"a log":             `{topology: Replication, storage: {size: 1Gi}, persistence: {mode: AOF}, config: {maxmemory-policy: allkeys-lru, notify-keyspace-events: ""}}`,
		"no auth":           `{topology: Standalone, auth: {enabled: false}}`,
	}
	for _, version := range conformance.Versions {
		for name, spec := range specs {
			t.Run(string(version)+" "+name, func(t *testing.T) {
				t.Parallel()
				root := conformance.Root(t, version)
				v := instance(t, spec)
				address := startServer(t, root, rendered(t, v, fixed()))
				wantRole(t, ask(t, address, "AUTH valkeeper operatorpassword", "ROLE"))
				open := strings.HasPrefix(ask(t, address, "PING"), "+PONG")
				if open == v.Spec.Auth.IsEnabled() {
					t.Errorf("auth is %v, and a client without a password may ping: %v", v.Spec.Auth.IsEnabled(), open)
				}
				if v.Spec.Auth.IsEnabled() {
					if got := ask(t, address, "AUTH default defaultpassword", "PING"); !strings.HasPrefix(got, "+PONG") {
						t.Errorf("the user default was answered %q", got)
					}
				}
			})
		}
	}
}

func wantRole(t *testing.T, reply string) {
	t.Helper()
	if !strings.Contains(reply, "slave") {
		t.Errorf("ROLE says %q, want a replica of nobody", reply)
	}
}

// freePort is one of this machine.
func freePort(t *testing.T) (address, port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return listener.Addr().String(), port
}

// serverProgram is the words that run valkey-server of a root.
func serverProgram(root string) []string {
	program := []string{filepath.Join(root, "usr/bin/valkey-server")}
	if loader := filepath.Join(root, "usr/lib64/ld-linux-x86-64.so.2"); exists(loader) {
		program = append([]string{loader, "--library-path", filepath.Join(root, "usr/lib/x86_64-linux-gnu")}, program...)
	}
	return program
}

// startServer runs a server on what was rendered, with the pod's paths and port
// replaced by a folder and a free port of this machine.
func startServer(t *testing.T, root string, r Rendered, more ...string) (address string) {
	t.Helper()
	dir := t.TempDir()
	address, port := freePort(t)
	conf := strings.NewReplacer(
		confFolder+"/"+secretFolder, dir, "dir "+dataFolder, "dir "+dir,
		"port 6379", "port "+port, "bind * -::*", "bind 127.0.0.1",
	).Replace(r.ConfigMap.Data[confFile])
	files := map[string]string{
		confFile: conf, aclFile: string(r.SystemSecret.Data[aclFile]), authFile: string(r.SystemSecret.Data[authFile]),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := slices.Concat(serverProgram(root), []string{filepath.Join(dir, confFile)}, more)
	listening(t, exec.Command(program[0], program[1:]...), address)
	return address
}

// listening starts a process and waits until it listens. The test's end, or kill,
// ends it.
func listening(t *testing.T, cmd *exec.Cmd, address string) (kill func()) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	kill = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("%v\n%s", cmd.Args, log.String())
		}
	})
	await(t, address, ended)
	return kill
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func await(t *testing.T, address string, ended <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatal("the server ended at its start")
		default:
		}
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
	}
	t.Fatal("the server does not listen")
}

// ask sends inline commands and gives what was answered to the last one: its
// first line, and the second for an array.
func ask(t *testing.T, address string, commands ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	var reply string
	for _, command := range commands {
		fmt.Fprintf(conn, "%s\r\n", command)
		if reply, err = answers.ReadString('\n'); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if strings.HasPrefix(reply, "*") && reply != "*0\r\n" {
			for range 2 { // the length of the first element, then itself
				line, err := answers.ReadString('\n')
				if err != nil {
					t.Fatalf("%s: %v", command, err)
				}
				reply += line
			}
		}
	}
	return reply
}
