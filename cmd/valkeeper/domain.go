package main

import (
	"os"
	"strings"
)

// resolvConf is where a pod finds in which domains names are searched.
const resolvConf = "/etc/resolv.conf"

// searchDomain is the domain of the Kubernetes cluster that this process runs in, by
// the search list of its pod, which has svc.<domain> in it; empty outside of one.
func searchDomain(file string) string {
	text, err := os.ReadFile(file) //nolint:gosec // it is the system's, or a test's
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "search" {
			continue
		}
		for _, word := range words[1:] {
			if domain, found := strings.CutPrefix(word, "svc."); found {
				return strings.TrimSuffix(domain, ".")
			}
		}
	}
	return ""
}
