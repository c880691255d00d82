package valkey

import "strings"

// SentinelFlags are the flags of an entry of a Sentinel's, as far as they are used.
type SentinelFlags struct {
	// Down: the Sentinel itself takes it to be down (s_down), AgreedDown: a quorum
	// does (o_down). A primary that says for down-after and 20 s that it is a replica
	// is Down, too.
	Down, AgreedDown bool
	// Disconnected: the Sentinel has no connection to it at the moment.
	Disconnected bool
	// FailoverInProgress: this Sentinel runs a failover of this primary; Coordinated:
	// it was asked to hold back writes in it; Forced: it was asked for without one.
	FailoverInProgress, Coordinated, Forced bool
	// Promoted: the replica that the running failover has chosen.
	Promoted bool
	// Reconfiguring: it is being told about the new primary.
	Reconfiguring bool
	// PrimaryDown, of another Sentinel: it says that the primary is down.
	PrimaryDown bool
}

func parseSentinelFlags(text string) SentinelFlags {
	var flags SentinelFlags
	for word := range strings.SplitSeq(text, ",") {
		switch word {
		case "s_down":
			flags.Down = true
		case "o_down":
			flags.AgreedDown = true
		case "disconnected":
			flags.Disconnected = true
		case "failover_in_progress":
			flags.FailoverInProgress = true
		case "coordinated_failover":
			flags.Coordinated = true
		case "force_failover":
			flags.Forced = true
		case "promoted":
			flags.Promoted = true
		case "reconf_sent", "reconf_inprog":
			flags.Reconfiguring = true
		case "master_down":
			flags.PrimaryDown = true
		}
	}
	return flags
}
