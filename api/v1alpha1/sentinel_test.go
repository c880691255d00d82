package v1alpha1

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"
)

func TestWhatSentinelsAreWhenNothingIsSaid(t *testing.T) {
	s := ValkeySpec{Topology: TopologySentinel}
	if s.SentinelCount() != 3 || s.Sentinel.QuorumOrDefault() != 2 || s.ReplicaCount() != 2 {
		t.Errorf("%d Sentinels with a quorum of %d, %d replicas", s.SentinelCount(), s.Sentinel.QuorumOrDefault(), s.ReplicaCount())
	}
	if s.Sentinel.DownAfterOrDefault() != 5*time.Second || s.Sentinel.FailoverTimeoutOrDefault() != 10*time.Second {
		t.Errorf("down after %v, timed out after %v", s.Sentinel.DownAfterOrDefault(), s.Sentinel.FailoverTimeoutOrDefault())
	}
	if s.Sentinel.PrimaryNameOrDefault() != "mymaster" {
		t.Errorf("clients ask for %q", s.Sentinel.PrimaryNameOrDefault())
	}
	s.Sentinel.Replicas = ptr.To[int32](7)
	if s.Sentinel.QuorumOrDefault() != 4 {
		t.Errorf("the quorum of 7 is %d", s.Sentinel.QuorumOrDefault())
	}
	if n := (&ValkeySpec{Topology: TopologyReplication}).SentinelCount(); n != 0 {
		t.Errorf("a Replication has %d Sentinels", n)
	}
}

func TestASentinelKeepsItsIDAndNobodyElseHasIt(t *testing.T) {
	v := &Valkey{}
	v.Namespace, v.Name, v.UID = "shop", "cart", "7f3e"
	seen := map[string]string{}
	add := func(what, id string) {
		t.Helper()
		if !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(id) {
			t.Errorf("%s has the id %q", what, id)
		}
		if other, taken := seen[id]; taken {
			t.Errorf("%s and %s have the id %s", what, other, id)
		}
		seen[id] = what
	}
	add("the first", v.SentinelID(0))
	add("the second", v.SentinelID(1))
	add("the eleventh", v.SentinelID(10))
	if v.DeepCopy().SentinelID(1) != v.SentinelID(1) {
		t.Error("the second has another id when it is asked again")
	}
	for what, change := range map[string]func(*Valkey){
		"of a later instance":      func(v *Valkey) { v.UID = "80aa" },
		"of another namespace":     func(v *Valkey) { v.Namespace = "lab" },
		"of another instance":      func(v *Valkey) { v.Name = "cart2" },
		"of a name that runs over": func(v *Valkey) { v.Namespace, v.Name = "shopc", "art" },
	} {
		other := v.DeepCopy()
		change(other)
		add(what, other.SentinelID(0))
	}
}

// Valkey takes host names of at most 255 characters.
func TestTheLongestNameOfASentinelStillFits(t *testing.T) {
	v := &Valkey{Spec: ValkeySpec{Topology: TopologySentinel}}
	v.Namespace, v.Name = strings.Repeat("n", 63), strings.Repeat("a", 40)
	for what, text := range map[string]string{
		"the headless Service":  v.SentinelNodesServiceName(),
		"the pod":               v.SentinelName() + "-8",
		"the revision of a pod": v.SentinelName() + "-0123456789",
	} {
		if len(text) > 63 {
			t.Errorf("%s %s has %d characters", what, text, len(text))
		}
	}
	for _, host := range []string{v.SentinelHostname(v.SentinelName() + "-8"), v.NodeHostname(v.Name + "-8")} {
		if len(host) > 255 {
			t.Errorf("%s has %d characters", host, len(host))
		}
	}
}

func TestServersAndSentinelsAreKeptApart(t *testing.T) {
	v := &Valkey{}
	v.Name = "cart"
	data, sentinels := v.PodSelector(), v.SentinelSelector()
	if data[ComponentLabel] != "data" || sentinels[ComponentLabel] != "sentinel" || len(data) != len(sentinels) {
		t.Errorf("servers are %v, Sentinels %v", data, sentinels)
	}
	for key, value := range v.InstanceSelector() {
		if data[key] != value || sentinels[key] != value {
			t.Errorf("%s=%s is not on both: %v, %v", key, value, data, sentinels)
		}
	}
}
