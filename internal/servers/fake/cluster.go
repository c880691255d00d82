package fake

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// busOffset is how much higher than its port a server's bus port is.
const busOffset = 10000

// Member is one line of CLUSTER NODES.
type Member struct {
	ID, Addr string
	// Flags as the server writes them: "myself,master".
	Flags string
	// Primary is the id of whom it follows; empty for nobody.
	Primary string
	Epoch   int64
	Down    bool // its link
	Slots   string
}

// String is the line.
func (m Member) String() string {
	host, port, _ := net.SplitHostPort(m.Addr)
	number, _ := strconv.Atoi(port)
	primary, link := m.Primary, "connected"
	if primary == "" {
		primary = "-"
	}
	if m.Down {
		link = "disconnected"
	}
	line := fmt.Sprintf("%s %s:%d@%d %s %s 0 0 %d %s", m.ID, host, number, number+busOffset, m.Flags, primary, m.Epoch, link)
	if m.Slots != "" {
		line += " " + m.Slots
	}
	return line
}

// NodesText is CLUSTER NODES' answer.
func NodesText(members ...Member) string {
	var text strings.Builder
	for _, m := range members {
		text.WriteString(m.String() + "\n")
	}
	return text.String()
}

// ClusterInfoText is CLUSTER INFO's answer, as far as it is read.
func ClusterInfoText(ok bool, members int) string {
	state := "fail"
	if ok {
		state = "ok"
	}
	return fmt.Sprintf("cluster_state:%s\r\ncluster_slots_assigned:0\r\ncluster_slots_ok:0\r\ncluster_slots_pfail:0\r\n"+
		"cluster_slots_fail:0\r\ncluster_known_nodes:%d\r\ncluster_size:0\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\n", state, members)
}

// Joined makes the server a member of a cluster that it sees like this.
func (s *Server) Joined(ok bool, members ...Member) {
	s.Reply("CLUSTER INFO", Bulk(ClusterInfoText(ok, len(members))))
	s.Reply("CLUSTER NODES", Bulk(NodesText(members...)))
	s.Reply("CLUSTER GETSLOTMIGRATIONS", "*0\r\n")
}

// Outside makes the server one that does not run in cluster mode.
func (s *Server) Outside() {
	s.Reply("CLUSTER", "-ERR This instance has cluster support disabled\r\n")
}
