package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheDomainIsThatOfTheSearchList(t *testing.T) {
	for text, want := range map[string]string{
		"search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.0.0.10\noptions ndots:5\n": "cluster.local",
		"nameserver 10.0.0.10\nsearch shop.svc.k8s.example. svc.k8s.example. k8s.example.\n":                     "k8s.example",
		"search example.com\nnameserver 10.0.0.10\n":                                                             "",
		"": "",
	} {
		file := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if have := searchDomain(file); have != want {
			t.Errorf("%q says %q, not %q", text, have, want)
		}
	}
	if have := searchDomain(filepath.Join(t.TempDir(), "none")); have != "" {
		t.Errorf("no file says %q", have)
	}
}
