package ledger

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWritersKeepTheirOwnMomentsAfterAnOutage(t *testing.T) {
	const interval = 8 * time.Millisecond
	base := time.Now().Add(-time.Hour)
	var next []time.Time
	for i := range 4 {
		p := &pacer{interval: interval, next: base.Add(time.Duration(i) * 2 * time.Millisecond)}
		p.wait(context.Background())
		next = append(next, p.next)
	}
	for i, at := range next {
		if phase := at.Sub(base) % interval; phase != time.Duration(i)*2*time.Millisecond {
			t.Errorf("writer %d writes at phase %s, want %s", i, phase, time.Duration(i)*2*time.Millisecond)
		}
		if until := time.Until(at); until > interval {
			t.Errorf("writer %d waits %s for its next turn, more than an interval", i, until)
		}
	}
}

func TestARetryDoesNotWait(t *testing.T) {
	p := &pacer{interval: time.Hour, next: time.Now().Add(time.Hour)}
	p.retry()
	start := time.Now()
	if !p.wait(context.Background()) || time.Since(start) > time.Second {
		t.Error("a retry waited for the writer's turn")
	}
}

func sentinel(c *Config) { c.Sentinel.Addrs = []string{"127.0.0.1:2"} }

func TestEachKindOfClientHasEachLibraryAndEverySecondMoment(t *testing.T) {
	c := Defaults()
	sentinel(&c)
	count := map[string]int{}
	for i := range c.Writers {
		library, kind := c.writer(i)
		if kind != kinds[i%2] {
			t.Errorf("writer %d is of kind %s", i, kind)
		}
		count[kind+" "+library]++
	}
	for _, library := range c.Libraries {
		for _, kind := range kinds {
			if count[kind+" "+library] != c.Writers/4 {
				t.Errorf("writers: %v, want as many of each", count)
			}
		}
	}
	if err := c.check(); !strings.Contains(fmt.Sprint(err), "address") || strings.Contains(fmt.Sprint(err), "sentinel") {
		t.Errorf("%v, want only the missing address refused", err)
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no port":                     func(c *Config) { c.Addr = "localhost" },
		"no writers":                  func(c *Config) { c.Writers = 0 },
		"negative rate":               func(c *Config) { c.Rate = -1 },
		"no library":                  func(c *Config) { c.Libraries = nil },
		"strange library":             func(c *Config) { c.Libraries = []string{"telnet"} },
		"named replicas of a cluster": func(c *Config) { c.Cluster, c.Replicas = true, []string{"127.0.0.1:2"} },
		"braces in a cluster's keys":  func(c *Config) { c.Cluster, c.Prefix = true, "x{y}" },
		"no password":                 func(c *Config) { c.Credentials.Username = "app" },
		"no port of a Sentinel":       func(c *Config) { c.Sentinel.Addrs = []string{"localhost"} },
		"the Service as a Sentinel":   func(c *Config) { c.Sentinel.Addrs = []string{c.Addr} },
		"no name for Sentinels":       func(c *Config) { sentinel(c); c.Sentinel.Primary = "" },
		"no password for Sentinels":   func(c *Config) { sentinel(c); c.Sentinel.Credentials.Username = "app" },
		"Sentinels of a cluster":      func(c *Config) { sentinel(c); c.Cluster = true },
		"too few writers for kinds":   func(c *Config) { sentinel(c); c.Writers = 3 },
	} {
		c := Defaults()
		c.Addr = "127.0.0.1:1"
		change(&c)
		if r, err := Start(context.Background(), c); err == nil {
			r.stopWriting()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAWriterThatWaitsIsToldFromItsFirstTry(t *testing.T) {
	var l live
	l.asks(1, 100)
	l.asks(2, 300)
	l.asks(1, 500) // it tries again
	if got := l.waiting(1000); got != 900 {
		t.Errorf("%d", got)
	}
	l.answered(1)
	if got := l.waiting(1000); got != 700 {
		t.Errorf("%d", got)
	}
	l.answered(2)
	if got := l.waiting(1000); got != 0 {
		t.Errorf("%d", got)
	}
}
