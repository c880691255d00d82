package cluster

import (
	"fmt"
	"strings"

	"github.com/valkeeper/valkeeper/internal/sim/explore"
)

var shardNames = [maxShards]string{shardName(0), shardName(1), shardName(2)}

// Narrate tells a trace, a line for each move and some for where it leads.
func Narrate(steps []Step) string {
	var b strings.Builder
	for i, step := range steps {
		if i > 0 {
			fmt.Fprintf(&b, "%3d %s\n", i, step.Move)
		}
		for k, shard := range step.State.k {
			line := step.State.shardLine(k, shard)
			if i == 0 || line != steps[i-1].State.shardLine(k, steps[i-1].State.k[k]) {
				fmt.Fprintf(&b, "      %s\n", line)
			}
		}
	}
	return b.String()
}

func (s State) shardLine(k int, one shard) string {
	nodes := s.n[2*k].line() + " | " + s.n[2*k+1].line()
	if extra := s.n[extraPlace]; k == 0 && (extra.phase != absent || extra.conf) {
		nodes += " | " + extra.line()
	}
	return fmt.Sprintf("%s: %s | size=%d last=%d slots=%b hists=%v attempt=%d owed=%b", shardNames[k],
		nodes, one.size, int(one.last)-1, one.slots, one.hists, one.attempt, s.owed)
}

func (n node) line() string {
	words := []string{[]string{"absent", "running", "terminating", "FORGOTTEN"}[n.phase]}
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(n.stale, "stale")
	add(n.phase != absent && n.gate != gateIn, "gate=%d", n.gate)
	add(n.drain != drainNo, "drain=%d", n.drain)
	add(n.ours, "ours")
	add(n.evac, "to-leave-its-host")
	add(n.term >= explore.TermHook, "for-its-hook")
	add(n.phase != absent && n.proc == dead, "DEAD")
	add(n.proc == held, "HELD")
	add(n.silent, "SILENT")
	add(n.cut != cutNo, "CUT=%d", n.cut)
	add(n.conf && n.primary, "PRIMARY")
	add(n.conf && !n.primary, "of:%s", idName(n.follows))
	add(n.conf, "table=%010x", uint64(n.table)&(1<<(4*maxGroups)-1))
	add(n.conf, "epoch=%d part=%d", n.epoch, n.part)
	add(n.forgot != 0, "forgot=%06b", n.forgot)
	add(n.ghosts != 0, "ghosts=%06b", n.ghosts)
	add(n.lost, "lost")
	add(n.meets != 0, "meets=%d", int(n.meets)-1)
	add(n.linked, "linked")
	add(n.fail != 0, "FAILOVER>%d", int(n.fail)-1)
	add(n.listens, "listens")
	add(n.moves != 0, "moves=%b>%d", n.moves, n.movesTo)
	add(n.moveFailed, "move-failed")
	add(n.proc == up, "h%d<%d:%b", n.hist, n.hist2, n.set)
	add(n.diskHist != 0, "disk h%d:%b", n.diskHist, n.diskSet)
	return strings.Join(words, " ")
}
