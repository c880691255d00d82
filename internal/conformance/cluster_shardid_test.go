package conformance

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/valkey"
)

// Servers learn a replica's shard id some messages later than whose replica it is.
// One that ends in between leaves a nodes.conf in which both differ, and 8.1.1
// does not start on it: "Unrecoverable error: corrupted cluster config file"
// (valkey issue 2171). That is a pod that never comes back, be it the replica or its
// primary, whose data nobody else may have.
func TestServerStartsAlthoughAReplicasShardIDInItsFileIsAnother(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			primary, replica, _ := formPods(t, version, `persistence: {mode: RDB}`)
			put(t, primary, "early", 50)
			id := replica.self().ID
			replica.waitIdleDisk()
			replica.Stop()
			replica.divergeShardIDs()
			replica.crashesBare(version)
			replica.start()
			Eventually(t, "the replica is synced again", func() bool { return replica.isSyncedWith(primary) })
			if replica.self().ID != id || missing(t, replica, "early", 50) > 0 {
				t.Errorf("it is %s, and was %s", replica.self().ID, id)
			}

			id = primary.self().ID
			replica.Kill() // so that the primary is the only copy
			primary.Stop()
			primary.divergeShardIDs()
			primary.crashesBare(version)
			primary.start()
			primary.waitHeld()
			primary.release()
			Eventually(t, "the primary serves its slots", func() bool {
				_, err := primary.Do("SET", keyOfShard0+"again", "x")
				return err == nil
			})
			if primary.self().ID != id || missing(t, primary, "early", 50) > 0 {
				t.Errorf("it is %s, and was %s", primary.self().ID, id)
			}
		})
	}
}

// waitShardIDs waits until no server would leave such a file: for scenarios that
// start servers again without start.sh.
func (c *Cluster) waitShardIDs() {
	c.t.Helper()
	for _, s := range c.Servers() {
		Eventually(c.t, s.Addr()+" has each replica's shard id in its file", func() bool {
			text, err := os.ReadFile(filepath.Join(s.Dir, "nodes.conf"))
			nodes, _, _ := strings.Cut(string(text), "vars ")
			all, errParse := valkey.ParseClusterNodes(nodes)
			if err = errors.Join(err, errParse); err != nil {
				return false // it is being written
			}
			shardOf := map[string]string{}
			for _, n := range all {
				shardOf[n.ID] = n.ShardID
			}
			return !slices.ContainsFunc(all, func(n valkey.ClusterNode) bool { return n.Replica && n.ShardID != shardOf[n.PrimaryID] })
		})
	}
}

// divergeShardIDs gives each replica in nodes.conf a shard id that its primary has not.
func (p *clusterPod) divergeShardIDs() {
	p.t.Helper()
	text, err := os.ReadFile(p.file("data/nodes.conf"))
	if err != nil {
		p.t.Fatal(err)
	}
	changed := 0
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.Contains(line, "slave ") {
			lines[i] = regexp.MustCompile("shard-id=[0-9a-f]{40}").ReplaceAllString(line, "shard-id="+strings.Repeat("a", 40))
			changed++
		}
	}
	if changed == 0 {
		p.t.Fatalf("no replica in nodes.conf:\n%s", text)
	}
	p.write("data/nodes.conf", strings.Join(lines, "\n"))
}

// crashesBare: the control. Newer servers mend it themselves.
func (p *clusterPod) crashesBare(version Version) {
	p.t.Helper()
	if version != V81 {
		return
	}
	before, err := os.ReadFile(p.file("data/nodes.conf"))
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.Command(p.file("bin/valkey-server"), p.file("valkey.conf"), "--logfile", "").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "corrupted cluster config file") {
		p.t.Errorf("the control: it starts by itself: %v", err)
	}
	p.write("data/nodes.conf", string(before))
}
