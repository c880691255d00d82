package fake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// infoFields are what every server says, of one that has booted and follows
// nobody yet.
var infoFields = map[string]string{
	"run_id": "run", "valkey_version": "9.1.2", "uptime_in_seconds": "60",
	"loading": "0", "async_loading": "0", "role": "slave",
	"master_host": "127.0.0.1", "master_port": "1", "master_link_status": "down", "master_sync_in_progress": "0",
	"master_link_down_since_seconds": "-1", "slave_repl_offset": "0",
	"master_repl_offset": "0", "master_replid": "own", "master_replid2": "none", "second_repl_offset": "-1",
	"master_failover_state": "no-failover",
}

// InfoText is INFO's answer with these fields in place of, or on top of, those
// that every server has. An empty value leaves a field out.
func InfoText(fields map[string]string) string {
	all := maps.Clone(infoFields)
	maps.Copy(all, fields)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			fmt.Fprintf(&text, "%s:%s\r\n", name, all[name])
		}
	}
	return text.String()
}

// Primary is what INFO says of a primary with these replicas ("host:port"), all
// of them as far as it is itself.
func Primary(replid string, offset int64, replicas ...string) map[string]string {
	out := map[string]string{"role": "master", "master_replid": replid, "master_repl_offset": fmt.Sprint(offset)}
	for i, addr := range replicas {
		host, port, _ := strings.Cut(addr, ":")
		out[fmt.Sprintf("slave%d", i)] = fmt.Sprintf("ip=%s,port=%s,state=online,offset=%d,lag=0,type=replica", host, port, offset)
	}
	return out
}

// PrimaryRole and ReplicaRole are answers to ROLE.
func PrimaryRole(offset int64) string {
	return fmt.Sprintf("*3\r\n$6\r\nmaster\r\n:%d\r\n*0\r\n", offset)
}

// ReplicaRole is that of a replica whose link is up.
func ReplicaRole(primary string, offset int64) string {
	host, port, _ := strings.Cut(primary, ":")
	return fmt.Sprintf("*5\r\n$5\r\nslave\r\n$%d\r\n%s\r\n:%s\r\n$9\r\nconnected\r\n:%d\r\n", len(host), host, port, offset)
}

// Replica is what INFO says of a replica that is in step with its primary.
func Replica(primary, replid string, offset int64) map[string]string {
	host, port, _ := strings.Cut(primary, ":")
	return map[string]string{"role": "slave", "master_host": host, "master_port": port, "master_link_status": "up",
		"master_link_down_since_seconds": "0", "master_replid": replid,
		"master_repl_offset": fmt.Sprint(offset), "slave_repl_offset": fmt.Sprint(offset)}
}
