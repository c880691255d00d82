package render

import (
	"strings"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// sentinelClientACL is what clients may do on a Sentinel: ask where the primary,
// the replicas and the other Sentinels are, and listen. Nothing in it changes
// anything. Libraries say each of these things, or used to; each is known to 8.1
// and 9.1. HELLO and AUTH need no permission.
var sentinelClientACL = []string{
	"resetkeys", "allchannels", "-@all",
	"+ping", "+info", "+role", "+command",
	"+subscribe", "+psubscribe", "+unsubscribe", "+punsubscribe",
	"+client|setname", "+client|setinfo", "+client|getname", "+client|id", "+client|reply",
	"+sentinel|get-primary-addr-by-name", "+sentinel|get-master-addr-by-name",
	"+sentinel|primaries", "+sentinel|masters", "+sentinel|primary", "+sentinel|master",
	"+sentinel|replicas", "+sentinel|slaves", "+sentinel|sentinels",
	"+sentinel|ckquorum", "+sentinel|myid", "+sentinel|help",
}

// sentinelUsers are the users that Sentinels know. They hold no password in clear
// text. What clients may do is the same with a password and without.
func sentinelUsers(p Passwords) string {
	return clientUser(p, strings.Join(sentinelClientACL, " ")) +
		user(v1alpha1.OperatorUser, p.Operator, valkey.SentinelOperatorACL...) +
		user(v1alpha1.SentinelUser, p.Sentinel, valkey.SentinelPeerACL...)
}
