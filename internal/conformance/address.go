package conformance

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// freeAddress returns a loopback address and port that nobody listens on. Each
// server has an address of its own, so that a port is not handed out twice
// between the look and its use.
func freeAddress(t testing.TB) (string, int) {
	t.Helper()
	for range 50 {
		host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 2+rand.IntN(250))
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			continue
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		_ = listener.Close()
		number, _ := strconv.Atoi(port)
		return host, number
	}
	t.Fatal("no free loopback address")
	return "", 0
}
