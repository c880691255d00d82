package valkey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ClientInfo is one line of CLIENT LIST.
type ClientInfo struct {
	ID int64
	// Addr is where the client comes from, "host:port".
	Addr string
	Name string
	User string
	// Age since it connected, Idle since its last command; whole seconds.
	Age, Idle time.Duration
	// Command is its last one, "get" or "client|list".
	Command string
	// Flags: b blocked, P in pubsub, N none (valkey 9.1 src/networking.c).
	Flags           string
	LibName, LibVer string
}

// killBatch is how many clients one CLIENT KILL names.
const killBatch = 500

// Clients lists the clients of type normal and pubsub without the operator's own
// connections and those of the users in spare (the replication user: until its
// PSYNC a replica's link is a normal client).
func (n *Node) Clients(ctx context.Context, spare ...string) ([]ClientInfo, error) {
	var all []ClientInfo
	for _, kind := range []string{"normal", "pubsub"} {
		result, err := n.read(ctx, "CLIENT", "LIST", "TYPE", kind)
		if err != nil {
			return nil, err
		}
		text, err := result.ToString()
		if err != nil {
			return nil, wrap(n.addr, "CLIENT LIST", fmt.Errorf("%w: %w", ErrMalformed, err))
		}
		clients, err := ParseClients(text)
		if err != nil {
			return nil, wrap(n.addr, "CLIENT LIST", err)
		}
		all = append(all, clients...)
	}
	return slices.DeleteFunc(all, func(c ClientInfo) bool {
		return n.own(c) || slices.Contains(spare, c.User)
	}), nil
}

// own: with a user of its own the operator is known by it, else by the name that
// its connections carry.
func (n *Node) own(c ClientInfo) bool {
	if n.ownUser != "" && n.ownUser != "default" {
		return c.User == n.ownUser
	}
	return c.Name == ClientName
}

// KillClients closes every client that Clients lists and says how many it
// closed. It kills by id: CLIENT KILL TYPE normal would close the operator's
// other connections too (SKIPME spares only the asking one), and 8.1 has no
// negative filters. An id is never used twice by a server, so a client that has
// left meanwhile costs nothing, and no other takes its place.
func (n *Node) KillClients(ctx context.Context, spare ...string) (int, error) {
	clients, err := n.Clients(ctx, spare...)
	if err != nil {
		return 0, err
	}
	killed := 0
	for batch := range slices.Chunk(clients, killBatch) {
		args := []string{"CLIENT", "KILL", "ID"}
		for _, c := range batch {
			args = append(args, strconv.FormatInt(c.ID, 10))
		}
		result, err := n.do(ctx, args...)
		if err != nil {
			return killed, err
		}
		count, err := result.ToInt64()
		if err != nil {
			return killed, wrap(n.addr, "CLIENT KILL", fmt.Errorf("%w: %w", ErrMalformed, err))
		}
		killed += int(count)
	}
	return killed, nil
}

// KillUser closes every connection of that user and says how many there were.
func (n *Node) KillUser(ctx context.Context, user string) (int, error) {
	result, err := n.do(ctx, "CLIENT", "KILL", "USER", user)
	if err != nil {
		return 0, err
	}
	count, err := result.ToInt64()
	if err != nil {
		return 0, wrap(n.addr, "CLIENT KILL", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return int(count), nil
}

// ParseClients reads the text of CLIENT LIST.
func ParseClients(text string) ([]ClientInfo, error) {
	var clients []ClientInfo
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		c, err := parseClient(line)
		if err != nil {
			return nil, fmt.Errorf("%w: client %q: %w", ErrMalformed, line, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func parseClient(line string) (ClientInfo, error) {
	fields := splitPairs(line, " ")
	id, errID := strconv.ParseInt(fields["id"], 10, 64)
	age, errAge := strconv.ParseInt(fields["age"], 10, 64)
	idle, errIdle := strconv.ParseInt(fields["idle"], 10, 64)
	return ClientInfo{
		ID: id, Addr: fields["addr"], Name: fields["name"], User: fields["user"],
		Age: time.Duration(age) * time.Second, Idle: time.Duration(idle) * time.Second,
		Command: fields["cmd"], Flags: fields["flags"],
		LibName: fields["lib-name"], LibVer: fields["lib-ver"],
	}, errors.Join(errID, errAge, errIdle)
}
