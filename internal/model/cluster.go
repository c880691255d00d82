package model

import (
	"slices"
	"time"
)

// ClusterServer is what a member of a Valkey cluster says of it.
type ClusterServer struct {
	// ID is its own node id.
	ID string
	// OK is cluster_state: it sees all slots covered and a majority of primaries.
	OK bool
	// Members are all that it knows, itself among them, in order of their ids.
	Members []Member
	// Moves are the atomic slot migrations that it takes part in as their source.
	Moves []Move
}

// Member is one member of the cluster as one server sees it.
type Member struct {
	ID string
	// Address of its port for clients, host:port; empty when it is not known.
	Address string
	Role    Role
	// Primary is the id of the primary that it follows; empty for a primary.
	Primary string
	// Epoch is its configuration epoch: of two that claim a slot the higher wins.
	Epoch int64
	// Linked: the link on the bus stands. It always does with oneself.
	Linked bool
	// Suspected: no answer within the node timeout, as this server sees it.
	// Failed: a majority agrees.
	Suspected, Failed bool
	// Handshake: it has been met and has not answered yet; its id is made up.
	Handshake bool
	Slots     Slots
	// Giving and Taking are slots that are being moved key by key, with the id of
	// the other end. Only oneself's are known.
	Giving, Taking map[int]string
}

// MoveState is how far an atomic slot migration is.
type MoveState int

// The states of an atomic slot migration. The zero value is under way.
const (
	MoveRuns MoveState = iota
	MoveDone
	MoveFailed
	MoveCancelled
)

// Move is an atomic slot migration.
type Move struct {
	Name  string
	To    string // id of the target
	Slots Slots
	State MoveState
	// Ago is the time since it ended.
	Ago     time.Duration
	Message string
}

// Self is what the server says of itself.
func (c *ClusterServer) Self() (Member, bool) {
	if c == nil {
		return Member{}, false
	}
	return c.Member(c.ID)
}

// Member finds a member by its id.
func (c *ClusterServer) Member(id string) (Member, bool) {
	if c == nil {
		return Member{}, false
	}
	i := slices.IndexFunc(c.Members, func(m Member) bool { return m.ID == id })
	if i < 0 {
		return Member{}, false
	}
	return c.Members[i], true
}

// Owned are the slots that the server itself says it serves.
func (s Server) Owned() Slots {
	self, ok := s.Cluster.Self()
	if !ok || self.Role != RolePrimary {
		return nil
	}
	return self.Slots
}
