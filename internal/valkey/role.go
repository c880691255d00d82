package valkey

import (
	"context"
	"fmt"

	client "github.com/valkey-io/valkey-go"
)

// Role is what a server says it is. The zero value is "unknown".
type Role int

// The roles.
const (
	RoleUnknown Role = iota
	RolePrimary
	RoleReplica
)

// String returns our word for the role.
func (r Role) String() string {
	switch r {
	case RolePrimary:
		return "primary"
	case RoleReplica:
		return "replica"
	default:
		return "unknown"
	}
}

// parseRole reads the protocol's words, which INFO and ROLE share.
func parseRole(word string) (Role, error) {
	switch word {
	case "master":
		return RolePrimary, nil
	case "slave":
		return RoleReplica, nil
	}
	return RoleUnknown, fmt.Errorf("%w: role %q", ErrMalformed, word)
}

// RoleState is the answer to ROLE.
type RoleState struct {
	Role Role
	// Offset in bytes: a primary's own; what a replica has applied, or -1 while
	// it has no link.
	Offset int64
	// Of a replica: whom it follows, and the state of its link: "connect",
	// "connecting", "handshake", "sync", "connected" or "none".
	PrimaryHost string
	PrimaryPort int
	Link        string
}

// Role asks for the role alone: cheap enough to be asked every millisecond.
func (n *Node) Role(ctx context.Context) (RoleState, error) {
	result, err := n.read(ctx, "ROLE")
	if err != nil {
		return RoleState{}, err
	}
	items, err := result.ToArray()
	if err != nil {
		return RoleState{}, wrap(n.addr, "ROLE", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	state, err := parseRoleReply(items)
	return state, wrap(n.addr, "ROLE", err)
}

// parseRoleReply reads [master offset replicas] and [slave host port link offset]
// (valkey 9.1 src/replication.c roleCommand).
func parseRoleReply(items []client.ValkeyMessage) (RoleState, error) {
	if len(items) == 0 {
		return RoleState{}, fmt.Errorf("%w: empty ROLE", ErrMalformed)
	}
	word, err := items[0].ToString()
	if err != nil {
		return RoleState{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	role, err := parseRole(word)
	switch {
	case err != nil:
		return RoleState{}, err
	case role == RolePrimary && len(items) >= 2:
		offset, err := items[1].ToInt64()
		if err != nil {
			return RoleState{}, fmt.Errorf("%w: offset: %w", ErrMalformed, err)
		}
		return RoleState{Role: role, Offset: offset}, nil
	case role == RoleReplica && len(items) >= 5:
		return parseReplicaRole(items)
	}
	return RoleState{}, fmt.Errorf("%w: ROLE of %d items", ErrMalformed, len(items))
}

func parseReplicaRole(items []client.ValkeyMessage) (RoleState, error) {
	host, errHost := items[1].ToString()
	port, errPort := items[2].ToInt64()
	link, errLink := items[3].ToString()
	offset, errOffset := items[4].ToInt64()
	for _, err := range []error{errHost, errPort, errLink, errOffset} {
		if err != nil {
			return RoleState{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	return RoleState{Role: RoleReplica, Offset: offset, PrimaryHost: host, PrimaryPort: int(port), Link: link}, nil
}
