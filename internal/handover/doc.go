// Package handover moves the primary's role from one server to a chosen replica
// without losing an acknowledged write: in a Replication set, in a shard of a
// cluster, and under Sentinels.
//
// # Algorithm of a Replication set
//
//  1. Check, on the servers themselves, that the gates still hold (check.go).
//  2. FAILOVER TO the target with a TIMEOUT. The old primary holds back writes,
//     waits until the target has acknowledged everything, becomes its replica and
//     asks it to take over (PSYNC … FAILOVER). Once the target has everything, one
//     REPLCONF GETACK to it spares the wait for its next acknowledgement (await.go).
//  3. As soon as the target's own ROLE says primary: move the traffic.
//  4. Prove it: the target is a primary that takes writes, the old one is its
//     replica with the link up (prove.go).
//  5. Whatever else happens is resolved (resolve.go): either the servers end as
//     they were, writes allowed again, or the target is primary, or the error
//     says what is known and that nobody may build on it.
//
// # Why no write is lost, and where that ends
//
// The server itself demotes the old primary before the target is promoted, while
// writes are held back and only once all of them are on the target: at no time
// two of them take writes. If the operator dies, the server goes on by itself.
//
// It does not go on in one state: failover-in-progress with a target that has
// died, or that does not let the old primary in. FAILOVER's TIMEOUT does not
// bound it, writes stay held back, and REPLICAOF is refused. Only FAILOVER ABORT
// ends it, and that is a blunt command: it makes the old server a primary even
// if the target has become one in the meantime (valkey 9.1 src/replication.c
// abortFailover). So an abort is always sent under a write pause of our own, and
// that pause is lifted only after it is known which of the two happened: if the
// old server's replication id is still the one from before, it was never demoted
// and the target was never asked. If it is a new one, the target must show that
// it follows the new history (a late PSYNC … FAILOVER then no longer fits), or be
// gone. A target that is neither, a frozen one, leaves ErrUnproven: thawed, it
// may still promote itself. It has no write that the old server lacks.
//
// # In a cluster
//
// The servers do it themselves: CLUSTER FAILOVER to the target makes the old primary
// hold back writes, the target waits until it has everything and has itself elected
// by the primaries, and the old primary follows it as soon as it hears of that
// (cluster.go). What is left to us: the gates (cluster_check.go), asking again when
// an election is lost, hastening what lies in a kernel's buffer (nudge.go), the proof
// that the target, the old primary and a majority agree (cluster_prove.go), and, as
// nothing can be called off, waiting for the servers to give up (cluster_resolve.go),
// and seeing to it that a target which does not answer is not believed if it was elected
// before it froze (cluster_fence.go).
//
// # Under Sentinel
//
// The same FAILOVER, but those who tell clients of it have to agree (sentinel.go). A
// Sentinel from 9.1.1 on has itself elected and sends it (COORDINATED); it holds back
// writes until it has seen the new role in its own time, so what is hastened is the
// target's acknowledgement, the end of the pause, and the news
// (sentinel_coordinated.go). For older ones we send FAILOVER ourselves. Either way
// every Sentinel is then told by a hello, in the name of another one, and if it does
// not believe it, by public commands (sentinel_tell.go). A hello makes a Sentinel give
// up its failover, and with it the lifting of the pause: so the pause is lifted first.
//
// Whatever dies, no two servers take writes, as it is FAILOVER that moves the role. If
// we die before the Sentinels are told, one that was asked goes on by itself; where we
// sent FAILOVER ourselves, they go on to name the old primary until the next operator
// tells them (TellSentinels). What can be left behind is a paused primary: by a Sentinel
// that died, or that named an address which the primary does not know. The gates see the
// latter beforehand, and the pause of the former ends by itself, after the Sentinels'
// failover-timeout at the latest.
package handover
