package valkey

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// HelloChannel is where Sentinels tell each other who is primary.
const HelloChannel = "__sentinel__:hello"

// Hello is what one Sentinel tells others: who it is, and the primary's address as
// of a configuration epoch.
type Hello struct {
	// SentinelHost, SentinelPort and SentinelID must be exactly as the receiving
	// Sentinel lists that peer, else it adds one that is not there.
	SentinelHost string
	SentinelPort int
	SentinelID   string
	// Epoch of the configuration: a Sentinel takes over the address only if it is
	// higher than what it has, and then gives up a failover of its own.
	Epoch int64
	// Name under which the primary is monitored.
	Name        string
	PrimaryHost string
	PrimaryPort int
}

// String is the message as Sentinels send it (valkey 9.1 and 8.1 src/sentinel.c
// sentinelProcessHelloMessage): eight words, with commas between.
func (h Hello) String() string {
	epoch := strconv.FormatInt(h.Epoch, 10)
	return strings.Join([]string{
		h.SentinelHost, strconv.Itoa(h.SentinelPort), h.SentinelID, epoch,
		h.Name, h.PrimaryHost, strconv.Itoa(h.PrimaryPort), epoch,
	}, ",")
}

// SentinelHello tells this Sentinel of the primary's new address in the name of
// another one. It is the Sentinels' own protocol and no public command: whether it
// was believed, SentinelPrimary shows at once after it. A name that is not
// monitored is ignored without an error.
func (n *Node) SentinelHello(ctx context.Context, hello Hello) error {
	text := hello.String()
	if strings.Count(text, ",") != 7 || strings.ContainsAny(text, " \r\n") {
		return wrap(n.addr, "PUBLISH", fmt.Errorf("hello message %q does not have eight words", text))
	}
	result, err := n.do(ctx, "PUBLISH", HelloChannel, text)
	if err != nil {
		return err
	}
	if _, err := result.ToInt64(); err != nil {
		return wrap(n.addr, "PUBLISH", fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return nil
}
