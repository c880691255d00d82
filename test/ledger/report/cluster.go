package report

// Cluster sums up the shards of a cluster.
type Cluster struct {
	// SlotsCovered is how many of the 16,384 slots had an owner that answered when
	// all was read back.
	SlotsCovered int `json:"slotsCovered"`
	// ImbalancePercent is by how much, of an even share, the number of slots of
	// any shard was off then.
	ImbalancePercent float64 `json:"imbalancePercent"`
	// MedianHandoverGapMs and WorstHandoverGapMs are over the handovers of all
	// shards; null if there were none.
	MedianHandoverGapMs *float64 `json:"medianHandoverGapMs"`
	WorstHandoverGapMs  *float64 `json:"worstHandoverGapMs"`
	// Moves are the slots that went from one shard to another during the run.
	Moves []Move `json:"moves"`
	// Contested counts acknowledgements in slots that went to and fro between
	// shards. They are part of the run's Interleaved.
	Contested int `json:"contested"`
	// Strays are nodes that somebody still listed when all was read back, and
	// that were none: failed, without an address, not known to all.
	Strays []string `json:"strays"`
}

// Move sums up the slots that went from one shard to another.
type Move struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Slots int    `json:"slots"`
	// FirstMs and LastMs are when the new shard acknowledged the first of them,
	// and when the last of them, for the first time.
	FirstMs float64 `json:"firstMs"`
	LastMs  float64 `json:"lastMs"`
}

// Shard is what the writers did to one shard, and what it owned in the end.
type Shard struct {
	// Name is that of its pods' StatefulSet where that is known.
	Name string `json:"name"`
	// ID is what its servers say.
	ID string `json:"id"`
	// Slots and Ranges are those that it owned when all was read back.
	Slots        int    `json:"slots"`
	Ranges       string `json:"ranges"`
	Acknowledged int    `json:"acknowledged"`
	// LongestGapMs is the longest time in which no write in this shard was
	// acknowledged while somebody wanted to write there; WorstClientGapMs the
	// longest time that one writer waited for one.
	LongestGapMs     float64 `json:"longestGapMs"`
	WorstClientGapMs float64 `json:"worstClientGapMs"`
	// SpacingMs is the writers' own pace: all but one in a hundred of its
	// acknowledgements came within that time after the one before.
	SpacingMs           float64  `json:"spacingMs"`
	Handovers           int      `json:"handovers"`
	MedianHandoverGapMs *float64 `json:"medianHandoverGapMs"`
	WorstHandoverGapMs  *float64 `json:"worstHandoverGapMs"`
	Turns               []Turn   `json:"turns"`
}

// Turn is a time in which one server acknowledged.
type Turn struct {
	// Server is its pod's name where that is known, else its run id.
	Server string  `json:"server"`
	FromMs float64 `json:"fromMs"`
	ToMs   float64 `json:"toMs"`
}
