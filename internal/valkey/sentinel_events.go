package valkey

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// The events of a Sentinel that are used (valkey 9.1 src/sentinel.c sentinelEvent).
const (
	EventNewEpoch       = "+new-epoch"
	EventTryFailover    = "+try-failover"
	EventElectedLeader  = "+elected-leader"
	EventSelected       = "+selected-slave"
	EventPromoted       = "+promoted-slave"
	EventSwitchPrimary  = "+switch-master"
	EventFailoverEnd    = "+failover-end"
	EventAbortElection  = "-failover-abort-not-elected"
	EventAbortNoReplica = "-failover-abort-no-good-slave"
	EventAbortReplica   = "-failover-abort-slave-timeout"
	EventAbortPrimary   = "-failover-abort-master-timeout"
)

// SentinelEvent is one thing that a Sentinel has told of itself.
type SentinelEvent struct {
	Kind string
	// Text is the rest: "8" of a new epoch, "name oldhost oldport host port" of a
	// switch, "slave name host port @ primary …" of what concerns a replica.
	Text string
}

// Epoch is the number of EventNewEpoch, else 0.
func (e SentinelEvent) Epoch() int64 {
	if e.Kind != EventNewEpoch {
		return 0
	}
	epoch, err := strconv.ParseInt(e.Text, 10, 64)
	if err != nil {
		return 0
	}
	return epoch
}

// Replica is the address of the replica that EventSelected or EventPromoted is
// about, and of which primary it is; false for all else.
func (e SentinelEvent) Replica() (host string, port int, primary string, ok bool) {
	words := strings.Fields(e.Text)
	if len(words) < 6 || words[0] != "slave" || words[4] != "@" {
		return "", 0, "", false
	}
	port, err := strconv.Atoi(words[3])
	return words[2], port, words[5], err == nil
}

// eventBuffer is more than one failover tells of.
const eventBuffer = 256

// SentinelEvents subscribes to kinds of events, on a connection of its own, and
// returns once the Sentinel has confirmed all: nothing that it tells after that is
// missed. They come in order; the channel is closed when the connection has ended,
// which stop makes it do.
func (n *Node) SentinelEvents(ctx context.Context, kinds ...string) (events <-chan SentinelEvent, stop func(), err error) {
	conn, reader, err := n.openAckConn(ctx)
	if err != nil {
		return nil, nil, wrap(n.addr, "SUBSCRIBE", err)
	}
	if err := subscribe(ctx, conn, reader, n.dialer.CommandTimeout, kinds); err != nil {
		_ = conn.Close()
		return nil, nil, wrap(n.addr, "SUBSCRIBE", err)
	}
	c := make(chan SentinelEvent, eventBuffer)
	go listenToEvents(reader, c)
	return c, func() { _ = conn.Close() }, nil
}

func listenToEvents(reader *bufio.Reader, c chan<- SentinelEvent) {
	defer close(c)
	for {
		words, err := readWords(reader)
		if err != nil {
			return
		}
		if len(words) != 3 || words[0] != "message" {
			continue
		}
		select {
		case c <- SentinelEvent{Kind: words[1], Text: words[2]}:
		default: // nobody reads
		}
	}
}

func subscribe(ctx context.Context, conn net.Conn, reader *bufio.Reader, limit time.Duration, kinds []string) error {
	deadline := time.Now().Add(limit)
	if of, ok := ctx.Deadline(); ok && of.Before(deadline) {
		deadline = of
	}
	_ = conn.SetDeadline(deadline)
	if _, err := io.WriteString(conn, wireCommand(append([]string{"SUBSCRIBE"}, kinds...))); err != nil {
		return classify(err)
	}
	for range kinds {
		if _, err := readWords(reader); err != nil {
			return classify(err)
		}
	}
	return conn.SetDeadline(time.Time{})
}

// readWords reads one reply that is an array of strings and numbers.
func readWords(reader *bufio.Reader) ([]string, error) {
	line, err := readLine(reader)
	if err != nil {
		return nil, err
	}
	if err := replyError(line); err != nil {
		return nil, err
	}
	count, err := strconv.Atoi(strings.TrimPrefix(line, "*"))
	if err != nil || !strings.HasPrefix(line, "*") {
		return nil, fmt.Errorf("%w: %q", ErrMalformed, line)
	}
	var words []string
	for range count {
		word, err := readWord(reader)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
	}
	return words, nil
}

func readWord(reader *bufio.Reader) (string, error) {
	line, err := readLine(reader)
	if err != nil {
		return "", err
	}
	length, err := strconv.Atoi(strings.TrimLeft(line, "$:"))
	switch {
	case err != nil || length < 0:
		return "", fmt.Errorf("%w: %q", ErrMalformed, line)
	case strings.HasPrefix(line, ":"):
		return line[1:], nil
	}
	word := make([]byte, length+2)
	if _, err := io.ReadFull(reader, word); err != nil {
		return "", err
	}
	return string(word[:length]), nil
}

func readLine(reader *bufio.Reader) (string, error) {
	line, err := reader.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
