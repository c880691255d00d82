package cluster

import (
	"os"
	"testing"

	"github.com/valkeeper/valkeeper/internal/sim/explore/exploretest"
)

var summary = exploretest.Summary[World, State, Move]{
	Heading:  "world of a cluster",
	Explored: World.explored,
	Narrate:  Narrate,
}

func TestMain(m *testing.M) { os.Exit(summary.Main(m)) }
