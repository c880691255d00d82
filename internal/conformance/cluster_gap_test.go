package conformance

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/internal/handover"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// clusterRecipe is a way to move the primary's role in a shard.
type clusterRecipe struct {
	name   string
	run    func(*testing.T, *Cluster, *Server, *Server)
	config []string
	loses  bool // writes, so that none lost is not asked for
	only   bool // measured only if asked for
	newer  bool // 8.1 does not have it
	// most is how often it is measured at the most: some take seconds each. It may
	// lose writes, and may not.
	most int
}

var clusterRecipes = []clusterRecipe{
	{name: "CLUSTER FAILOVER alone", run: bareClusterFailover},
	{name: "CLUSTER FAILOVER, nudged", run: nudgedClusterFailover},
	{name: "FORCE", run: forcedClusterFailover, loses: true},
	{name: "TAKEOVER", run: takeover, loses: true, only: true},
	{name: "SIGTERM with shutdown-on-sigterm failover", run: endInCluster, newer: true, only: true,
		config: []string{"shutdown-on-sigterm failover"}},
	{name: "SIGKILL, the servers elect, node timeout 5 s", run: killInCluster, only: true, most: 5,
		config: []string{"cluster-node-timeout 5000"}},
	{name: "SIGTERM, the servers elect, node timeout 5 s", run: endInCluster, only: true, most: 5,
		config: []string{"cluster-node-timeout 5000"}},
}

// The figures are reported, not asserted; those in docs/adr/0005 are of so many
// runs as it says.
func TestGapsOfTheClusterRecipes(t *testing.T) {
	runs, all := gapRuns(t, 6)
	for _, version := range Versions {
		for _, recipe := range clusterRecipes {
			if recipe.only && !all || recipe.newer && version == V81 {
				continue
			}
			t.Run(string(version)+" "+recipe.name, func(t *testing.T) { measureInCluster(t, version, recipe, runs) })
		}
	}
}

func measureInCluster(t *testing.T, version Version, recipe clusterRecipe, runs int) {
	c := FormCluster(t, Spec{Version: version, Config: recipe.config}, 3, 1)
	c.waitShardIDs()
	old, target := c.Shards[0][0], c.Shards[0][1]
	var gaps []time.Duration
	var losses []int
	acknowledged := 0
	if recipe.most > 0 {
		runs = min(runs, recipe.most)
	}
	for range runs {
		target.WaitSynced(old)
		writers := StartClusterWriters(t, 4, c, c.SlotsOf(0))
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		writers.ResetGap()
		recipe.run(t, c, old, target)
		writers.WaitFor(100)
		writers.Stop()
		gaps = append(gaps, writers.Gap())
		losses = append(losses, writers.Lost())
		acknowledged += writers.Acknowledged()
		target.Must("FLUSHALL")
		old, target = target, old
	}
	reportGaps(t, gaps, losses, acknowledged)
	switch most := losses[runs-1]; {
	case recipe.most > 0:
	case most > 0 && !recipe.loses:
		t.Errorf("lost up to %d", most)
	case most == 0 && recipe.loses:
		t.Error("it has lost nothing, so the recipes that may not lose prove nothing")
	}
}

func (s *Server) waitReplica() {
	s.t.Helper()
	Eventually(s.t, s.Addr()+" is a replica", func() bool {
		info, ok := s.Info()
		return ok && info.Role == valkey.RoleReplica
	})
}

func bareClusterFailover(t *testing.T, _ *Cluster, old, target *Server) {
	failoverWith(t, target.Node().ClusterFailover, old, target)
}

func forcedClusterFailover(t *testing.T, _ *Cluster, old, target *Server) {
	failoverWith(t, target.Node().ClusterFailoverForce, old, target)
}

func takeover(t *testing.T, _ *Cluster, old, target *Server) {
	failoverWith(t, target.Node().ClusterFailoverTakeover, old, target)
}

func failoverWith(t *testing.T, command func(context.Context) error, old, target *Server) {
	t.Helper()
	if err := command(context.Background()); err != nil {
		t.Fatal(err)
	}
	target.waitPrimary()
	old.waitReplica()
}

func nudgedClusterFailover(t *testing.T, c *Cluster, old, target *Server) {
	result, err := c.handOver(old, target, handover.Options{})
	if err != nil || result.Outcome != handover.Done || result.NudgeErr != nil {
		t.Fatalf("%+v, %v", result, err)
	}
}

func killInCluster(t *testing.T, c *Cluster, old, target *Server) {
	old.Kill()
	target.waitPrimary()
	old.Start()
	old.waitReplica()
	c.WaitOK()
}

func endInCluster(t *testing.T, c *Cluster, old, target *Server) {
	old.Stop()
	target.waitPrimary()
	old.Start()
	old.waitReplica()
	c.WaitOK()
}
