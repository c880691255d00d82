package client

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/valkeeper/valkeeper/test/ledger/history"
)

// Member is a node of a cluster as another one sees it.
type Member struct {
	ID string
	// Addr is its announced host:port, Host the announced name if there is one.
	Addr, Host string
	// Primary is set if it says it is one, Of is the id of a replica's primary.
	Primary bool
	Of      string
	// Myself is set if it is the one that was asked.
	Myself bool
	// Trouble is what speaks against it: fail, fail?, noaddr, handshake.
	Trouble []string
	Slots   history.SlotSet
	// Moving is set if one of its slots is on its way.
	Moving bool
}

// troubles are the flags of nodes that are not what they should be.
var troubles = []string{"fail", "fail?", "noaddr", "handshake"}

// ParseNodes reads the answer to CLUSTER NODES.
func ParseNodes(text string) ([]Member, error) {
	var out []Member
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		m, err := parseNode(fields)
		if err != nil {
			return nil, fmt.Errorf("line %.200q of CLUSTER NODES: %w", strings.TrimSpace(line), err)
		}
		out = append(out, m)
	}
	return out, nil
}

// parseNode reads "<id> <ip>:<port>@<bus>[,<name>] <flags> <primary> <ping>
// <pong> <epoch> <link> [<slot> | <slot>-<slot> | [<slot> ...] ...".
func parseNode(fields []string) (Member, error) {
	const named = 8
	if len(fields) < named {
		return Member{}, fmt.Errorf("%d fields, want at least %d", len(fields), named)
	}
	m := Member{ID: fields[0]}
	addr, rest, _ := strings.Cut(fields[1], ",")
	m.Host, _, _ = strings.Cut(rest, ",")
	addr, _, _ = strings.Cut(addr, "@")
	at := strings.LastIndexByte(addr, ':')
	if at < 0 {
		return m, fmt.Errorf("address %q has no port", fields[1])
	}
	m.Addr = net.JoinHostPort(strings.Trim(addr[:at], "[]"), addr[at+1:])
	for flag := range strings.SplitSeq(fields[2], ",") {
		switch {
		case flag == "master":
			m.Primary = true
		case flag == "myself":
			m.Myself = true
		case slices.Contains(troubles, flag):
			m.Trouble = append(m.Trouble, flag)
		}
	}
	if fields[3] != "-" {
		m.Of = fields[3]
	}
	for _, field := range fields[named:] {
		if err := m.addSlots(field); err != nil {
			return m, err
		}
	}
	return m, nil
}

// addSlots reads one slot, a range, or a slot on its way in brackets (of which
// the words are separate fields in some versions).
func (m *Member) addSlots(field string) error {
	if strings.HasPrefix(field, "[") {
		m.Moving = true
		return nil
	}
	first, last, isRange := strings.Cut(field, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return fmt.Errorf("slots %q: %w", field, err)
	}
	to, err := strconv.ParseUint(last, 10, 16)
	if err != nil || from > to || to >= history.Slots {
		return fmt.Errorf("slots %q are none", field)
	}
	for slot := from; slot <= to; slot++ {
		m.Slots[slot] = true
	}
	return nil
}
