package valkey

import (
	"fmt"
	"strconv"
	"strings"
)

// readSlots reads the words about slots: 7, 0-5460, and on a node's own line the
// open ones, [77->-id] and [77-<-id].
func (n *ClusterNode) readSlots(words []string) error {
	for _, word := range words {
		var err error
		if strings.HasPrefix(word, "[") {
			err = n.readOpenSlot(word)
		} else {
			var r SlotRange
			r, err = parseSlotRange(word)
			n.Slots = append(n.Slots, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *ClusterNode) readOpenSlot(word string) error {
	inner, closed := strings.CutSuffix(word[1:], "]")
	target, side := &n.Migrating, "->-"
	if strings.Contains(inner, "-<-") {
		target, side = &n.Importing, "-<-"
	}
	number, id, found := strings.Cut(inner, side)
	if !closed || !found || id == "" {
		return fmt.Errorf("open slot %q", word)
	}
	slot, err := parseSlot(number)
	if err != nil {
		return err
	}
	if *target == nil {
		*target = map[int]string{}
	}
	(*target)[slot] = id
	return nil
}

// parseSlotRange reads "7" or "0-5460".
func parseSlotRange(word string) (SlotRange, error) {
	firstText, lastText, isRange := strings.Cut(word, "-")
	if !isRange {
		lastText = firstText
	}
	first, err := parseSlot(firstText)
	if err != nil {
		return SlotRange{}, err
	}
	last, err := parseSlot(lastText)
	if err != nil {
		return SlotRange{}, err
	}
	if last < first {
		return SlotRange{}, fmt.Errorf("slots %q run backwards", word)
	}
	return SlotRange{First: first, Last: last}, nil
}

func parseSlot(text string) (int, error) {
	slot, err := strconv.ParseUint(text, 10, 16)
	if err != nil || slot >= Slots {
		return 0, fmt.Errorf("slot %q", text)
	}
	return int(slot), nil
}

// slotArgs writes ranges as the arguments of a command: first last first last …
func slotArgs(ranges []SlotRange) []string {
	args := make([]string, 0, 2*len(ranges))
	for _, r := range ranges {
		args = append(args, strconv.Itoa(r.First), strconv.Itoa(r.Last))
	}
	return args
}
