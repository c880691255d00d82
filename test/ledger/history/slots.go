package history

import (
	"strconv"
	"strings"
	"sync"
)

// Slots is how many slots the keys of a cluster are divided into.
const Slots = 16384

// Slot is a key's slot in a cluster: the CRC16 of the key, or of what stands
// between its first { and the next }, if that is something. Neither of the two
// client libraries exports its own.
func Slot(key string) uint16 {
	if _, tail, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(tail, "}"); ok && tag != "" {
			key = tag
		}
	}
	return crc16(key) % Slots
}

// crc16 is the one that is called XMODEM: polynomial 0x1021, from 0.
func crc16(text string) uint16 {
	crc := uint16(0)
	for i := range len(text) {
		crc ^= uint16(text[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// tags has a short text for each slot, which in braces puts a key there.
var tags = sync.OnceValue(func() *[Slots]string {
	var all [Slots]string
	for n, left := int64(0), Slots; left > 0; n++ {
		text := strconv.FormatInt(n, 36)
		if slot := crc16(text) % Slots; all[slot] == "" {
			all[slot] = text
			left--
		}
	}
	return &all
})
