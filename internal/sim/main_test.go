package sim

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/valkeeper/valkeeper/internal/sim/explore/exploretest"
)

var summary = exploretest.Summary[World, State, Move]{
	Heading:  "world",
	Explored: World.explored,
	Narrate:  Narrate,
}

// walks are how many random walks are made; -rapid.checks asks for another
// number.
const walks = "1000"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set(walks); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(summary.Main(m))
}
