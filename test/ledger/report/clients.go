package report

import "slices"

// Clients sums up the writers of one kind: those that find the primary in the
// same way.
type Clients struct {
	// Kind is "service" for those that connect through the primary's Service, and
	// "sentinel" for those that ask Sentinels.
	Kind         string `json:"kind"`
	Writers      int    `json:"writers"`
	Acknowledged int    `json:"acknowledged"`
	// LongestGapMs is the longest time in which no writer of this kind had a write
	// acknowledged, WorstClientGapMs the longest that one of them went without;
	// in the whole run, handovers or not.
	LongestGapMs     float64 `json:"longestGapMs"`
	WorstClientGapMs float64 `json:"worstClientGapMs"`
	// These are over the handovers, of what each of those says of this kind; null
	// if there were none.
	MedianHandoverGapMs       *float64 `json:"medianHandoverGapMs"`
	WorstHandoverGapMs        *float64 `json:"worstHandoverGapMs"`
	MedianHandoverClientGapMs *float64 `json:"medianHandoverClientGapMs"`
	WorstHandoverClientGapMs  *float64 `json:"worstHandoverClientGapMs"`
}

// Crossing is what one handover meant for one kind of writers: the same as the
// handover's own figures, of these writers alone.
type Crossing struct {
	Kind             string  `json:"kind"`
	GapMs            float64 `json:"gapMs"`
	WorstClientGapMs float64 `json:"worstClientGapMs"`
	WorstClient      int     `json:"worstClient"`
}

// KindName is a kind of client in words.
func KindName(kind string) string {
	switch kind {
	case "service":
		return "through the Service"
	case "sentinel":
		return "that ask Sentinels"
	default:
		return kind
	}
}

// Crossing is what the handover meant for a kind of client, nil if that is not
// known.
func (h Handover) Crossing(kind string) *Crossing {
	i := slices.IndexFunc(h.Clients, func(c Crossing) bool { return c.Kind == kind })
	if i < 0 {
		return nil
	}
	return &h.Clients[i]
}
