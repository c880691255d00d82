package valkey

import "strings"

// OperatorACL is what the operator's user may do on a data node, as ACL rules
// (without the user's name, state and password): the commands of this package,
// no key, no channel. HELLO and AUTH need no permission. The conformance tests
// hold both halves: every method works, and nothing else does.
var OperatorACL = []string{
	"resetkeys", "resetchannels", "-@all",
	"+info", "+role",
	"+replicaof", "+failover", "+replconf",
	"+client|list", "+client|kill", "+client|pause", "+client|unpause", "+client|setname",
	"+config|get",
}

// ReplicationACL is what the user may do with whose password replicas
// authenticate at their primary (primaryuser, primaryauth). FAILOVER needs no
// more: it is a PSYNC with another argument.
var ReplicationACL = []string{
	"resetkeys", "resetchannels", "-@all",
	"+psync", "+replconf", "+ping",
}

// ACLLine writes rules as a line of an ACL file, or as the value of a "user"
// line in valkey.conf without the word "user". passwordSHA256 is the password's
// SHA-256 in hexadecimal.
func ACLLine(user, passwordSHA256 string, rules []string) string {
	return strings.Join(append([]string{user, "on", "#" + passwordSHA256}, rules...), " ")
}
