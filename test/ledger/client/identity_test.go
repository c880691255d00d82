package client

import (
	"testing"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

func TestAnAcknowledgementBelongsToTheOneConnectionThatCarriedTheKey(t *testing.T) {
	one, two := &identified{server: 1}, &identified{server: 2}
	set := func(key string) []byte { return []byte("*3\r\n$3\r\nSET\r\n$1\r\n" + key + "\r\n$1\r\nx\r\n") }
	for _, c := range []struct {
		name  string
		write func(*carried)
		want  history.Server
	}{
		{"one connection", func(c *carried) { c.wrote(set("k:7"), one) }, 1},
		{"after the hello of another", func(c *carried) { c.wrote([]byte("HELLO 3"), two); c.wrote(set("k:7"), one) }, 1},
		{"before a ping of another", func(c *carried) { c.wrote(set("k:7"), one); c.wrote([]byte("PING"), two) }, 1},
		{"in two parts", func(c *carried) { c.wrote(set("k:7"), one); c.wrote([]byte("k:7=..."), one) }, 1},
		{"nobody", func(c *carried) { c.wrote(set("k:6"), one) }, history.Unattributed},
		{"two connections", func(c *carried) { c.wrote(set("k:7"), one); c.wrote(set("k:7"), two) }, history.Unattributed},
	} {
		k := carried{}
		k.expect("k:6")
		k.wrote(set("k:6"), two)
		k.expect("k:7")
		c.write(&k)
		if got := k.server(); got != c.want {
			t.Errorf("%s: server %d, want %d", c.name, got, c.want)
		}
	}
}

func TestInAClusterItBelongsToTheLastConnectionThatCarriedTheKey(t *testing.T) {
	one, two := &identified{server: 1}, &identified{server: 2}
	k := carried{cluster: true}
	for _, c := range []struct {
		by   []*identified
		want history.Server
	}{
		{nil, history.Unattributed},
		{[]*identified{one}, 1},
		{[]*identified{one, two}, 2},
		{[]*identified{one, two, one}, 1},
	} {
		k.expect("k:7")
		for _, conn := range c.by {
			k.wrote([]byte("SET k:7 x"), conn)
		}
		k.wrote([]byte("SET k:6 x"), two)
		if got := k.server(); got != c.want {
			t.Errorf("carried by %d connections: server %d, want %d", len(c.by), got, c.want)
		}
	}
}

func TestServersKeepTheirNumbers(t *testing.T) {
	r := NewRegistry()
	a, b := r.Number(ServerInfo{RunID: "a"}), r.Number(ServerInfo{RunID: "b"})
	if a == b || r.Number(ServerInfo{RunID: "a"}) != a || len(r.Servers()) != 2 || r.Servers()[b].RunID != "b" {
		t.Errorf("numbers %d and %d of %v", a, b, r.Servers())
	}
}
