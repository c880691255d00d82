// Command demo shows what Valkeeper is for. It makes two fresh instances with
// data in them, writes to each without a pause, and changes the image from one
// version of Valkey to the next: once as a StatefulSet does it by itself
// (RollingUpdate, the control), once with a handover. Then it reads every
// acknowledged write back and says what it saw.
//
// It talks to the Kubernetes that hack/cluster.sh has set up: make demo.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/bed"
)

// Exit codes.
const (
	exitShown = 0
	// exitFailed: a write was lost, or a rollout did not complete, or it could
	// not be checked.
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx)
	cancel()
	os.Exit(code)
}

func command(ctx context.Context) int {
	topology := flag.String("topology", string(v1alpha1.TopologyReplication), "topology to show: Replication, Sentinel or Cluster")
	from := flag.String("from", "8.1", "version to begin with")
	to := flag.String("to", "9.1", "version to change to")
	data := flag.Int("data", 50, "megabytes of data in each instance")
	flag.Parse()
	stage, ok := stages[v1alpha1.Topology(*topology)]
	if !ok {
		fmt.Fprintf(os.Stderr, "demo: topology %s is not shown yet: choose %s, %s or %s\n",
			*topology, v1alpha1.TopologyReplication, v1alpha1.TopologySentinel, v1alpha1.TopologyCluster)
		return exitUsage
	}
	show := show{topology: v1alpha1.Topology(*topology), stage: stage, from: *from, to: *to, data: *data << 20, say: clock()}
	if err := show.run(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitFailed
	}
	return exitShown
}

// clock says things with the time since the start.
func clock() func(string, ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		at := time.Since(start).Round(time.Second)
		fmt.Printf("%02d:%02d  %s\n", int(at.Minutes()), int(at.Seconds())%60, fmt.Sprintf(format, args...))
	}
}

func folder(settings bed.Settings, topology v1alpha1.Topology) string {
	return filepath.Join(settings.Out, "demo", strings.ToLower(string(topology)))
}
