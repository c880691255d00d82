package bed

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
	"github.com/valkeeper/valkeeper/testbed/internal/process"
)

// forwarderName is the one process with a door to the host: it holds a
// listener on the host's loopback and connects from inside the bed.
const forwarderName = "forwarder"

// startForwarder opens the listener here, in the host's network, and hands it
// to a process that runs in the bed's.
func (b *Bed) startForwarder() error {
	record, found, err := b.book.Find(forwarderName)
	if err != nil {
		return err
	}
	if found && record.Alive() {
		return nil
	}
	listener, err := listenLoopback(b.state.Port)
	if err != nil {
		return fmt.Errorf("a port on loopback for the API server: %w", err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.state.Port = listener.Addr().(*net.TCPAddr).Port
	if err := b.saveState(); err != nil {
		return err
	}
	return b.ensureProcess(process.Spec{
		Name: forwarderName, Enter: b.enter(place{cgroup: managementCgroup, net: network.ManagementNamespace}),
		Args: []string{self, "internal-forward", b.Plan.APIServer().String()}, Files: []*os.File{file},
	})
}

// listenLoopback prefers the port that kubeconfigs already name.
func listenLoopback(port int) (*net.TCPListener, error) {
	if port != 0 {
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return listener.(*net.TCPListener), nil
		}
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// Forward serves the inherited listener until it is closed: each connection
// goes on to the target, byte by byte.
func Forward(target string) error {
	const inherited = 3
	listener, err := net.FileListener(os.NewFile(inherited, "listener"))
	if err != nil {
		return fmt.Errorf("the inherited listener: %w", err)
	}
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			if err := join(client, target); err != nil && !strings.Contains(err.Error(), "reset by peer") {
				fmt.Fprintf(os.Stderr, "connection from %s: %v\n", client.RemoteAddr(), err)
			}
		}()
	}
}

// join copies both ways; an end of one way is passed on, and the connection
// ends when both have.
func join(client net.Conn, target string) error {
	defer client.Close()
	server, err := net.Dial("tcp4", target)
	if err != nil {
		return err
	}
	defer server.Close()
	var both sync.WaitGroup
	var failures [2]error
	for i, way := range [][2]net.Conn{{server, client}, {client, server}} {
		both.Go(func() {
			_, failures[i] = io.Copy(way[0], way[1])
			if half, ok := way[0].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
		})
	}
	both.Wait()
	return errors.Join(failures[:]...)
}
