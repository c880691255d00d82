package valkey

import "errors"

// What a Sentinel may refuse a command for. Use [errors.Is].
var (
	// ErrNoSuchPrimary: the Sentinel monitors no primary of that name.
	ErrNoSuchPrimary = errors.New("sentinel monitors no primary of that name")
	// ErrPrimaryExists: the Sentinel monitors a primary of that name already.
	ErrPrimaryExists = errors.New("sentinel monitors a primary of that name already")
	// ErrSentinelBusy: a failover of that primary is in progress at this Sentinel.
	ErrSentinelBusy = errors.New("a failover is in progress at the sentinel")
	// ErrNoGoodReplica: the Sentinel sees no replica that could be promoted.
	ErrNoGoodReplica = errors.New("sentinel sees no replica to promote")
	// ErrNoQuorum: too few Sentinels are there to agree on a failover.
	ErrNoQuorum = errors.New("sentinels cannot reach a quorum")
	// ErrUnresolved: the Sentinel cannot turn that name into an address, or may not.
	ErrUnresolved = errors.New("sentinel cannot resolve that host")
	// ErrNotHello: a Sentinel takes no other message than its own kind's.
	ErrNotHello = errors.New("sentinel accepts only hello messages")
)

// sentinelReplyKinds: valkey 9.1 and 8.1 src/sentinel.c sentinelCommand,
// sentinelPublishCommand, sentinelCheckCreateInstanceErrors. The wrong
// number of arguments is what 8.1 says to COORDINATED; NOGOODPRIMARY comes from a
// Sentinel that has not seen the primary's INFO yet, or of a primary without FAILOVER.
var sentinelReplyKinds = []replyKind{
	{"No such master with that name", ErrNoSuchPrimary},
	{"Duplicate master name", ErrPrimaryExists},
	{"INPROG ", ErrSentinelBusy},
	{"NOGOODSLAVE ", ErrNoGoodReplica},
	{"NOQUORUM ", ErrNoQuorum},
	{"Invalid IP address or hostname", ErrUnresolved},
	{"Only HELLO messages", ErrNotHello},
	{"wrong number of arguments for 'sentinel|failover'", ErrUnsupported},
	{"NOGOODPRIMARY ", ErrUnsupported},
}
