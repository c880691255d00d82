package fake

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
)

// sentinelFields are what Sentinels say of every server, and of another Sentinel.
var sentinelFields = map[string]string{
	"name": "mymaster", "runid": "run", "flags": "master", "role-reported": "master", "info-refresh": "100", "config-epoch": "4",
	"num-slaves": "0", "num-other-sentinels": "0", "quorum": "2", "failover-timeout": "10000", "parallel-syncs": "1",
	"down-after-milliseconds": "5000", "master-link-status": "ok", "master-link-down-time": "0", "master-host": "?", "master-port": "0",
	"slave-priority": "100", "slave-repl-offset": "1", "last-ok-ping-reply": "0", "last-hello-message": "100", "voted-leader": "?", "voted-leader-epoch": "0",
}

// SentinelEntry is what a Sentinel says of whoever is at an address, with these fields in
// place of those that it says of everybody.
func SentinelEntry(addr string, fields map[string]string) string {
	host, port, _ := net.SplitHostPort(addr)
	all := maps.Clone(sentinelFields)
	all["ip"], all["port"] = host, port
	maps.Copy(all, fields)
	var words strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		words.WriteString(Bulk(name) + Bulk(all[name]))
	}
	return fmt.Sprintf("*%d\r\n%s", 2*len(all), words.String())
}

// List is an array of replies.
func List(replies ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(replies), strings.Join(replies, ""))
}

// Sentinel makes the server a Sentinel with that id, which watches nobody.
func (s *Server) Sentinel(version, id string) {
	s.Reply("INFO server sentinel", Bulk(fmt.Sprintf("run_id:run\r\nvalkey_version:%s\r\nsentinel_masters:1\r\nsentinel_tilt:0\r\n", version)))
	s.Reply("SENTINEL MYID", Bulk(id))
	s.Reply("SENTINEL", "-ERR No such master with that name\r\n")
}

// Watches lets a Sentinel watch the primary, with those replicas and other Sentinels,
// all of them entries.
func (s *Server) Watches(primary string, replicas, others []string) {
	s.Reply("SENTINEL MASTER mymaster", primary)
	s.Reply("SENTINEL REPLICAS mymaster", List(replicas...))
	s.Reply("SENTINEL SENTINELS mymaster", List(others...))
	s.Reply("SENTINEL CKQUORUM mymaster", "+OK 3 usable Sentinels. Quorum and failover authorization can be reached\r\n")
}
