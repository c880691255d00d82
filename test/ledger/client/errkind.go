package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// dialError marks an error as one of dialling: an address that vanished does
// not refuse, it swallows, and the time lost to that should show.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// replyKinds are the error codes that servers answer with and that get a kind of
// their own: the first word of the answer, in small letters.
var replyKinds = map[string]bool{
	"readonly": true, "loading": true, "masterdown": true, "wrongpass": true,
	"noauth": true, "noperm": true, "misconf": true, "noreplicas": true,
	"oom": true, "redirect": true, "moved": true, "ask": true, "tryagain": true,
	"clusterdown": true, "unblocked": true, "busy": true, "noproto": true,
}

// What libraries say of Sentinels, in texts only: go-redis when none of them tells
// where the primary is, valkey-go when it is no primary that they name.
const (
	noSentinel = "all sentinels specified in configuration are unreachable"
	notPrimary = "the valkey role is not master"
)

// behind is the first error behind those that have a text.
func behind(err error, text string) error {
	for err != nil && strings.Contains(err.Error(), text) {
		err = errors.Unwrap(err)
	}
	return err
}

// Kind gives an error a short and stable name.
func Kind(err error) string {
	var netErr net.Error
	var dns *net.DNSError
	var dialled *dialError
	switch {
	case err == nil:
		return ""
	case strings.Contains(err.Error(), noSentinel):
		return "no-sentinel:" + Kind(behind(err, noSentinel))
	case err.Error() == notPrimary:
		return "not-primary"
	case isReply(err) != "":
		return isReply(err)
	case errors.As(err, &dns):
		return "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		if errors.As(err, &dialled) {
			return "dial-timeout"
		}
		return "timeout"
	case closed(err):
		return "connection-closed"
	case errors.Is(err, errNoCluster), strings.Contains(err.Error(), "slot has no valkey node"), strings.Contains(err.Error(), "cluster has no nodes"):
		return "no-node"
	default:
		return "other:" + firstWords(err.Error())
	}
}

// isReply returns the kind of an error that is a server's answer, "" otherwise.
// The libraries have types of their own for those; their text starts with the
// code in all of them.
func isReply(err error) string {
	for ; err != nil; err = unwrap(err) {
		word, _, _ := strings.Cut(err.Error(), " ")
		if kind := strings.ToLower(word); word == strings.ToUpper(word) && replyKinds[kind] {
			return kind
		}
	}
	return ""
}

// unwrap takes the first of several joined errors.
func unwrap(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if errs := joined.Unwrap(); len(errs) > 0 {
			return errs[0]
		}
		return nil
	}
	return errors.Unwrap(err)
}

func closed(err error) bool {
	for _, target := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed,
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return strings.Contains(err.Error(), "is closing")
}

// firstWords shortens a text to something that can be counted: at most four
// words and no figures, for those tend to be addresses and times.
func firstWords(text string) string {
	var words []string
	for _, w := range strings.Fields(text) {
		if strings.ContainsAny(w, "0123456789") {
			continue
		}
		if words = append(words, w); len(words) == 4 {
			break
		}
	}
	return strings.Join(words, " ")
}
