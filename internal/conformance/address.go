package conformance

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports lie below those that the kernel gives to outgoing connections.
const (
	firstPort = 20000
	ports     = 12000
)

// freeAddress returns a loopback address and port that nobody listens on. Each
// server has an address of its own, so that a port is not handed out twice
// between the look and its use.
func freeAddress(t testing.TB) (string, int) {
	t.Helper()
	for range 50 {
		host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 2+rand.IntN(250))
		port := firstPort + rand.IntN(ports)
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			_ = listener.Close()
			return host, port
		}
	}
	t.Fatal("no free loopback address")
	return "", 0
}
