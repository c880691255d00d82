package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTheTopologyAndWhatTheWritersKnowAgree(t *testing.T) {
	for _, c := range []struct {
		args             string
		topology, refuse string
		cluster          bool
	}{
		{"", "", "", false},
		{"--topology Replication", "Replication", "", false},
		{"--topology Cluster", "Cluster", "", true},
		{"--cluster", "Cluster", "", true},
		{"--sentinel a:1,b:1 --sentinel c:1", "Sentinel", "", false},
		{"--topology Sentinel --sentinel a:1,b:1,c:1", "Sentinel", "", false},
		{"--topology Sentinel", "", "needs --sentinel", false},
	} {
		o, err := parse(append([]string{"--addr", "x:1", "--duration", "1s"}, strings.Fields(c.args)...))
		if c.refuse != "" {
			if err == nil || !strings.Contains(err.Error(), c.refuse) {
				t.Errorf("%q: %v, want it refused", c.args, err)
			}
			continue
		}
		if err != nil || o.config.Topology != c.topology || o.config.Cluster != c.cluster {
			t.Errorf("%q: topology %q, cluster %v, %v", c.args, o.config.Topology, o.config.Cluster, err)
		}
		if s := o.config.Sentinel; c.topology == topologySentinel && (!slices.Equal(s.Addrs, []string{"a:1", "b:1", "c:1"}) || s.Primary != "mymaster") {
			t.Errorf("%q: Sentinels %+v", c.args, s)
		}
	}
}

func TestTheSentinelsHavePasswordsOfTheirOwn(t *testing.T) {
	t.Setenv("LEDGER_PASSWORD", "of-data")
	t.Setenv("LEDGER_SENTINEL_PASSWORD", "of-sentinels")
	o, err := parse([]string{"--addr", "x:1", "--duration", "1s", "--sentinel", "a:1", "--sentinel-username", "app"})
	if err != nil {
		t.Fatal(err)
	}
	if c := o.config.Sentinel.Credentials; c.Username != "app" || c.Password != "of-sentinels" || o.config.Credentials.Password != "of-data" {
		t.Errorf("Sentinels %+v, data %+v", c, o.config.Credentials)
	}
}
