// Package valkey is the operator's typed client of one Valkey server: the few
// commands that observing, handing over and running a cluster need, and nothing else.
//
// A [Node] speaks to the server at one address. It holds one connection (and a
// second one, opened on demand, for [Node.GetAck]), sends nothing by itself, and
// never retries a command that changes anything. When its connection breaks, the
// next command dials again, and may then reach another process at the same
// address: who needs to know compares [Info.RunID].
//
// Every error names the address and the command, and can be asked with
// [errors.Is] for one of this package's sentinels. ErrRefused alone is positive
// evidence that no server listens there; every other failure leaves it unknown.
package valkey
