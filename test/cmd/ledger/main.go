// Command ledger writes to a Valkey as applications do, keeps the books of every
// acknowledged write, reads everything back, and reports what was lost.
//
//	ledger run --addr host:port --duration 30s --out DIR
//	ledger report --out DIR run1.json run2.json ...
//
// docs/ledger.md says what the figures mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// Exit codes. A run that proved nothing is no success.
const (
	exitProven   = 0
	exitViolated = 1
	exitUnproven = 2
	exitUsage    = 3
)

const usage = `usage:
  ledger run --addr host:port [flags]         write, read back, report
  ledger report --out DIR run.json [...]      put several runs into one report
"ledger run -h" lists the flags. Exit codes: 0 proven, 1 violated (something was
lost, stale or differs, or two primaries acknowledged), 2 not proven, 3 wrong use.
`

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:])
	cancel()
	os.Exit(code)
}

func command(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	var code int
	var err error
	switch args[0] {
	case "run":
		code, err = run(ctx, args[1:])
	case "report":
		code, err = merge(args[1:])
	case "help", "-h", "--help":
		fmt.Print(usage)
		return exitProven
	default:
		code, err = exitUsage, fmt.Errorf("%q is no command of ledger\n%s", args[0], usage)
	}
	if errors.Is(err, flag.ErrHelp) {
		return exitProven
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
	}
	return code
}

// merge puts several reports into one.
func merge(args []string) (int, error) {
	flags := flag.NewFlagSet("ledger report", flag.ContinueOnError)
	out := flags.String("out", "", "folder for report.json and report.html")
	topology := flags.String("topology", "", "topology to name in the report, instead of the first run's")
	if err := flags.Parse(args); err != nil {
		return exitUsage, err
	}
	if *out == "" || flags.NArg() == 0 {
		return exitUsage, errors.New("report needs --out DIR and at least one JSON file of a run")
	}
	var all []report.Report
	for _, path := range flags.Args() {
		one, err := report.ReadFile(path)
		if err != nil {
			return exitUsage, err
		}
		all = append(all, one)
	}
	merged := report.Merge(all...)
	if *topology != "" {
		merged.Topology = *topology
	}
	return exitProven, merged.WriteTo(*out)
}

// exitCode is the worst verdict's.
func exitCode(r report.Report) int {
	code := exitProven
	for _, run := range r.Runs {
		switch run.Verdict {
		case report.Violated:
			return exitViolated
		case report.Unproven:
			code = exitUnproven
		}
	}
	return code
}
