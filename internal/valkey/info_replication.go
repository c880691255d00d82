package valkey

import (
	"fmt"
	"strconv"
	"strings"
)

// role fills in the role and what only a replica says.
func (f *infoFields) role(info *Info) {
	role, err := parseRole(f.must("role"))
	if err != nil {
		f.fail("role", f.values["role"])
		return
	}
	info.Role = role
	if role != RoleReplica {
		return
	}
	info.PrimaryHost = f.must("master_host")
	info.PrimaryPort = int(f.mustInt("master_port"))
	info.LinkUp = f.must("master_link_status") == "up"
	info.LinkDownSeconds = f.int("master_link_down_since_seconds")
	info.SyncInProgress = f.mustInt("master_sync_in_progress") != 0
	info.LastIOSeconds = f.int("master_last_io_seconds_ago")
	if info.SyncInProgress {
		info.LastIOSeconds = f.int("master_sync_last_io_seconds_ago")
	}
	info.ReplicaOffset = f.mustInt("slave_repl_offset")
	info.ReplicaPriority = int(f.int("slave_priority"))
}

// replicas reads slave0:ip=…,port=…,state=…,offset=…,lag=…,type=… and so on.
// connected_slaves counts also those whose address the server cannot tell and
// leaves out, so the lines are read until one is missing.
func (f *infoFields) replicas(info *Info) {
	for i := 0; ; i++ {
		name := fmt.Sprintf("slave%d", i)
		value, ok := f.values[name]
		if !ok {
			return
		}
		line, err := parseReplicaLine(value)
		if err != nil {
			f.fail(name, value)
			return
		}
		info.Replicas = append(info.Replicas, line)
	}
}

func parseReplicaLine(value string) (ReplicaLine, error) {
	parts := splitPairs(value, ",")
	port, errPort := strconv.Atoi(parts["port"])
	offset, errOffset := strconv.ParseInt(parts["offset"], 10, 64)
	lag, errLag := strconv.ParseInt(parts["lag"], 10, 64)
	if errPort != nil || errOffset != nil || errLag != nil || parts["ip"] == "" || parts["state"] == "" {
		return ReplicaLine{}, ErrMalformed
	}
	return ReplicaLine{
		Host: parts["ip"], Port: port, State: parts["state"],
		Offset: offset, Lag: lag, Type: parts["type"],
	}, nil
}

// keys sums dbN:keys=… over all databases. The other lines that begin with db
// have no keys= and are none of ours.
func (f *infoFields) keys(info *Info) {
	for name, value := range f.values {
		number, isDB := strings.CutPrefix(name, "db")
		if _, err := strconv.Atoi(number); !isDB || err != nil {
			continue
		}
		keys, err := strconv.ParseInt(splitPairs(value, ",")["keys"], 10, 64)
		if err != nil {
			f.fail(name, value)
			return
		}
		info.Keys += keys
	}
}

// splitPairs reads a=b, separated by sep.
func splitPairs(text, sep string) map[string]string {
	pairs := map[string]string{}
	for _, pair := range strings.Split(text, sep) {
		if name, value, ok := strings.Cut(pair, "="); ok {
			pairs[name] = value
		}
	}
	return pairs
}
