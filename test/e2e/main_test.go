package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/valkeeper/valkeeper/test/bed"
)

// cluster is where all tests run; nil if there is none.
var cluster *bed.Cluster

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	settings := bed.FromEnvironment()
	if os.Getenv("KUBECONFIG") == "" || settings.Operator == "" {
		if os.Getenv("VALKEEPER_REQUIRE_CLUSTER") == "1" {
			fmt.Fprintln(os.Stderr, "e2e: KUBECONFIG and VALKEEPER_OPERATOR_IMAGE are needed: run make test-e2e")
			return 1
		}
		return m.Run() // every test skips itself, and says why
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	connected, err := bed.Connect(ctx, settings, say)
	if err == nil {
		say("installing the operator %s", settings.Operator)
		err = connected.InstallOperator(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	cluster = connected
	return m.Run()
}

func say(format string, args ...any) {
	fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
}
