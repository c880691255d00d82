package history

import "testing"

func TestSlotsAreThoseOfTheServers(t *testing.T) {
	for key, want := range map[string]uint16{ // as CLUSTER KEYSLOT answers
		"": 0, "123456789": 12739, "foo": 12182, "somekey": 11058,
		"{user1000}.following": 3443, "{user1000}.followers": 3443, "user1000": 3443,
		"foo{}{bar}": 8363, "foo{{bar}}zap": 4015, "{bar": 4015, "foo{bar}{zap}": 5061, "bar": 5061,
	} {
		if got := Slot(key); got != want {
			t.Errorf("%q is in slot %d, want %d", key, got, want)
		}
	}
}

func TestAKeyIsInTheSlotThatItSays(t *testing.T) {
	keys := Keys{Prefix: "ledger:t", Slotted: true}
	seen := map[string]bool{}
	for slot := range uint16(Slots) {
		key := keys.Of(3, Record{Slot: slot, Seq: uint32(slot) / 2})
		if got := Slot(key); got != slot || seen[key] {
			t.Fatalf("%s is in slot %d, want %d; seen before: %t", key, got, slot, seen[key])
		}
		seen[key] = true
	}
}
