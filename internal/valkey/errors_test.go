package valkey

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestErrorRepliesAreTold(t *testing.T) {
	rows := []struct {
		text string
		want error
	}{
		{"WRONGPASS invalid username-password pair or user is disabled.", ErrAuth},
		{"NOAUTH Authentication required.", ErrAuth},
		{"NOPERM User valkeeper has no permissions to run the 'get' command", ErrAuth},
		{"LOADING Valkey is loading the dataset in memory", ErrLoading},
		{"BUSY Valkey is busy running a script.", ErrBusy},
		{"ERR FAILOVER already in progress.", ErrFailoverInProgress},
		{"ERR REPLICAOF not allowed while failing over.", ErrFailoverInProgress},
		{"ERR No failover in progress.", ErrNoFailover},
		{"ERR FAILOVER target HOST and PORT is not a replica.", ErrNotAReplica},
		{"ERR FAILOVER target replica is not online.", ErrNotAReplica},
		{"ERR FAILOVER is not valid when server is a replica.", ErrIsReplica},
		{"ERR something new", ErrReply},
	}
	for _, row := range rows {
		err := classifyReply(row.text)
		if !errors.Is(err, row.want) || !errors.Is(err, ErrReply) || !Answered(err) {
			t.Errorf("%q is told as %v", row.text, err)
		}
	}
}

func TestOnlyARefusedConnectionIsEvidenceThatNothingListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	d := Dialer{DialTimeout: 100 * time.Millisecond, CommandTimeout: 100 * time.Millisecond}

	// It accepts (the kernel does), and says nothing: frozen, not gone.
	_, err = d.Dial(context.Background(), addr)
	if !errors.Is(err, ErrTimeout) || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), addr) {
		t.Errorf("a silent server: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	patient := Dialer{DialTimeout: time.Minute}
	if _, err = patient.Dial(ctx, addr); !errors.Is(err, ErrTimeout) {
		t.Errorf("the context ends before the dialer's own patience: %v", err)
	}
	_ = listener.Close()
	_, err = d.Dial(context.Background(), addr)
	if !errors.Is(err, ErrRefused) || Answered(err) {
		t.Errorf("nobody listens: %v", err)
	}
	if err := classify(io.EOF); !errors.Is(err, ErrClosed) {
		t.Errorf("end of stream: %v", err)
	}
}
