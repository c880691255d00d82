package client

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fakes are nodes of a cluster that answer writes as they were told to: for what
// libraries do in moments that cannot be brought about with real servers. The
// first one owns all slots.
type fakes struct {
	mu    sync.Mutex
	nodes []*fake
	order []string // of the run ids that got the write
}

// fake is one of them. Each write takes the next line of its script:
//
//	ok           acknowledges
//	moved N, ask N   sends the client to the N-th node
//	close        hangs up without an answer, though it has the write
//	restart      the same, and the next connection ends at another process
//	silent       does not answer
//	else         an error with that text
type fake struct {
	all      *fakes
	listener net.Listener
	script   []string
	life     int
	name     string
}

func startFakes(t *testing.T, scripts ...[]string) *fakes {
	t.Helper()
	all := &fakes{}
	for i, script := range scripts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		f := &fake{all: all, listener: l, script: script, name: string(rune('A' + i))}
		all.nodes = append(all.nodes, f)
	}
	for _, f := range all.nodes {
		go f.accept()
	}
	return all
}

func (f *fake) addr() string  { return f.listener.Addr().String() }
func (f *fake) port() string  { _, port, _ := net.SplitHostPort(f.addr()); return port }
func (f *fake) runID() string { return fmt.Sprintf("%s%d", f.name, f.life) }

func (f *fake) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.all.mu.Lock()
		runID := f.runID()
		f.all.mu.Unlock()
		go f.serve(conn, runID)
	}
}

func (f *fake) serve(conn net.Conn, runID string) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		answer := f.answer(command, runID)
		if answer == "" {
			return
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}

// answer is "" to hang up.
func (f *fake) answer(command []string, runID string) string {
	switch strings.ToUpper(command[0]) {
	case "SET":
		return f.write(runID)
	case "INFO":
		return bulk("# Server\r\nvalkey_version:9.1.0\r\nrun_id:" + runID + "\r\n")
	case "CLUSTER":
		if strings.EqualFold(command[1], "MYSHARDID") {
			return bulk("shard of " + f.name)
		}
		return "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n" + bulk("127.0.0.1") + ":" + f.all.nodes[0].port() + "\r\n" + bulk("id")
	case "COMMAND":
		return "*0\r\n"
	case "PING", "CLIENT", "ASKING", "READONLY":
		return "+OK\r\n"
	default:
		return "-ERR unknown command '" + command[0] + "', with args beginning with: \r\n"
	}
}

func (f *fake) write(runID string) string {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	f.all.order = append(f.all.order, runID)
	if len(f.script) == 0 {
		return "-ERR the script is over\r\n"
	}
	line := f.script[0]
	f.script = f.script[1:]
	what, to, _ := strings.Cut(line, " ")
	switch what {
	case "ok":
		return "+OK\r\n"
	case "moved", "ask":
		n, _ := strconv.Atoi(to)
		return fmt.Sprintf("-%s 0 %s\r\n", strings.ToUpper(what), f.all.nodes[n].addr())
	case "close":
		return ""
	case "restart":
		f.life++
		return ""
	case "silent":
		return "+" // the beginning of an answer that never ends
	default:
		return "-" + line + "\r\n"
	}
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func readCommand(in *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	if err != nil {
		return nil, err
	}
	out := make([]string, n)
	for i := range out {
		size, err := number()
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		for read := 0; read < len(b); {
			got, err := in.Read(b[read:])
			if err != nil {
				return nil, err
			}
			read += got
		}
		out[i] = string(b[:size])
	}
	return out, nil
}
