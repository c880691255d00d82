package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/test/ledger"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// The topologies that the writers have to know of.
const (
	topologyCluster  = "Cluster"
	topologySentinel = "Sentinel"
)

// options are the flags that are not the run's configuration.
type options struct {
	config      ledger.Config
	duration    time.Duration
	listen, out string
	history     bool
	// Files with the passwords for the data, and for the Sentinels.
	passwordFile, sentinelPasswordFile string
}

func run(ctx context.Context, args []string) (int, error) {
	o, err := parse(args)
	if err != nil {
		return exitUsage, err
	}
	r, err := ledger.Start(context.WithoutCancel(ctx), o.config)
	if err != nil {
		return exitUsage, err
	}
	if o.listen != "" {
		server, err := serve(o.listen, r)
		if err != nil {
			return exitUsage, err
		}
		defer func() { _ = server.Close() }()
	}
	wait(ctx, o.duration, r)
	result, err := r.Stop(context.Background())
	if err != nil {
		return exitUnproven, err
	}
	summary(result)
	if o.out != "" {
		if err := write(o, r, result); err != nil {
			return exitUnproven, err
		}
	}
	if o.listen != "" { // stay, so that the report can be fetched
		<-ctx.Done()
	}
	return exitCode(result), nil
}

// wait returns when the run should stop: its time is over, its writers have
// stopped, somebody asked the control server, or a signal came.
func wait(ctx context.Context, duration time.Duration, r *ledger.Run) {
	var over <-chan time.Time
	if duration > 0 {
		over = time.After(duration)
	}
	select {
	case <-over:
	case <-r.Written():
	case <-ctx.Done():
	}
}

func serve(listen string, r *ledger.Run) (*http.Server, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("start the control server (choose another --listen): %w", err)
	}
	server := &http.Server{Handler: r.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "ledger: control server:", err)
		}
	}()
	return server, nil
}

func write(o options, r *ledger.Run, result report.Report) (err error) {
	if err := result.WriteTo(o.out); err != nil {
		return err
	}
	if !o.history {
		return nil
	}
	f, err := os.Create(filepath.Join(o.out, "history.csv"))
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return r.WriteHistory(f)
}

func summary(r report.Report) {
	for _, run := range r.Runs {
		fmt.Println(run.Sentence())
		fmt.Printf("acknowledged %d, lost %d, stale %d, diverged %d, interleaved %d, errors %v, longest gap %.1f ms\n",
			run.Acknowledged, run.Lost, run.Stale, run.Diverged, run.Interleaved, run.Errors, run.LongestGapMs)
		for _, s := range run.Shards {
			fmt.Printf("%s: %d slots, %d acknowledged, longest gap %.1f ms, worst writer %.1f ms, handovers %d\n",
				s.Name, s.Slots, s.Acknowledged, s.LongestGapMs, s.WorstClientGapMs, s.Handovers)
		}
		for _, h := range run.Handovers {
			fmt.Printf("handover %s -> %s at %.3f s: gap %.1f ms, worst writer %.1f ms\n",
				h.From, h.To, h.EndMs/1000, h.GapMs, h.WorstClientGapMs)
			for _, c := range h.Clients {
				fmt.Printf("  writers %s: gap %.1f ms, worst writer %.1f ms\n", report.KindName(c.Kind), c.GapMs, c.WorstClientGapMs)
			}
		}
		for _, p := range run.Problems {
			fmt.Println("problem:", p)
		}
	}
}

// list is a flag that may be given again, or with commas.
type list struct{ to *[]string }

func (l list) String() string {
	if l.to == nil {
		return ""
	}
	return strings.Join(*l.to, ",")
}

func (l list) Set(s string) error {
	*l.to = append(*l.to, strings.Split(s, ",")...)
	return nil
}

func parse(args []string) (options, error) {
	o := options{config: ledger.Defaults()}
	c := &o.config
	var libraries []string
	f := flag.NewFlagSet("ledger run", flag.ContinueOnError)
	f.StringVar(&c.Addr, "addr", "", "host:port that writers connect to: the primary's Service, in a cluster that of any node")
	f.BoolVar(&c.Cluster, "cluster", false, "the address is that of a Cluster: write to all its shards, with the libraries' clients for that")
	f.StringVar(&c.Credentials.Username, "username", "", "user; empty is the default user (it needs SET, MGET and INFO; in a Cluster SET, GET, READONLY, INFO and CLUSTER with MYSHARDID, NODES, SHARDS and SLOTS)")
	f.StringVar(&o.passwordFile, "password-file", "", "file with the password; or set LEDGER_PASSWORD")
	f.DurationVar(&o.duration, "duration", 0, "how long to write; 0 is until /stop or a signal")
	f.StringVar(&o.out, "out", "", "folder for report.json and report.html")
	f.BoolVar(&o.history, "history", false, "also write every acknowledged write to history.csv")
	f.StringVar(&o.listen, "listen", "", "address of the control server, such as :8080; the command then stays until a signal")
	f.Var(list{&c.Replicas}, "replica", "host:port of a replica to read back; may be given again (default: the pods, else those the primary lists)")
	f.IntVar(&c.ExpectReplicas, "expect-replicas", 0, "not proven if fewer replicas were read back, in a Cluster of any shard")
	f.IntVar(&c.Writers, "writers", c.Writers, "number of writers, with one client each")
	f.Var(list{&libraries}, "library", "client library, valkey-go or go-redis; may be given again (default: both in turn)")
	f.Float64Var(&c.Rate, "rate", c.Rate, "writes a second of all writers together; 0 is no limit")
	f.IntVar(&c.ValueSize, "value-size", c.ValueSize, "bytes of a value")
	f.IntVar(&c.MaxRecords, "max-records", c.MaxRecords, "stop after so many acknowledged writes (24 bytes of memory each)")
	f.StringVar(&c.Prefix, "prefix", "", "start of all keys (default ledger: and a random part)")
	f.BoolVar(&c.Cleanup, "cleanup", false, "remove the keys at the end")
	f.DurationVar(&c.DialTimeout, "dial-timeout", c.DialTimeout, "the clients' dial timeout")
	f.DurationVar(&c.Timeout, "timeout", c.Timeout, "the clients' read and write timeout")
	f.DurationVar(&c.SyncTimeout, "sync-timeout", c.SyncTimeout, "how long to wait for the primary, and for each replica to catch up, before reading back")
	f.StringVar(&c.Topology, "topology", "", "reported; Cluster is the same as --cluster, and Sentinel needs --sentinel")
	f.StringVar(&c.Strategy, "strategy", "", "reported only")
	f.StringVar(&c.FromImage, "from-image", "", "reported (default: seen on the pods)")
	f.StringVar(&c.ToImage, "to-image", "", "reported (default: seen on the pods)")
	sentinelFlags(f, &o)
	kube, k := kubeFlags(f)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: run takes flags only", f.Arg(0))
	}
	if err := settleTopology(c); err != nil {
		return o, err
	}
	if len(libraries) > 0 {
		c.Libraries = libraries
	}
	if *kube {
		if k.Selector == "" {
			return o, errors.New("--kube needs --selector, the labels of the data pods")
		}
		c.Kube = k
	}
	if o.duration == 0 && o.listen == "" {
		return o, errors.New("give --duration, or --listen for a control server that ends the run")
	}
	return o, errors.Join(
		password(&c.Credentials.Password, "LEDGER_PASSWORD", o.passwordFile),
		password(&c.Sentinel.Credentials.Password, "LEDGER_SENTINEL_PASSWORD", o.sentinelPasswordFile),
	)
}

// settleTopology makes the topology and what the writers have to know of it agree.
func settleTopology(c *ledger.Config) error {
	switch {
	case c.Topology == "" && c.Cluster:
		c.Topology = topologyCluster
	case c.Topology == "" && c.Sentinel.Used():
		c.Topology = topologySentinel
	case c.Topology == topologySentinel && !c.Sentinel.Used():
		return errors.New("--topology Sentinel needs --sentinel, the host:port of each Sentinel: else no writer asks them")
	}
	c.Cluster = c.Cluster || c.Topology == topologyCluster
	return nil
}

// sentinelFlags are those for writers that ask Sentinels for the primary.
func sentinelFlags(f *flag.FlagSet, o *options) {
	s := &o.config.Sentinel
	f.Var(list{&s.Addrs}, "sentinel", "host:port of a Sentinel; may be given again: every second writer then asks Sentinels for the primary, the others go through --addr")
	f.StringVar(&s.Primary, "sentinel-name", s.Primary, "the name by which the Sentinels know the primary")
	f.StringVar(&s.Credentials.Username, "sentinel-username", "", "user at the Sentinels; empty is the default user")
	f.StringVar(&o.sentinelPasswordFile, "sentinel-password-file", "", "file with the password for the Sentinels, empty if they want none; or set LEDGER_SENTINEL_PASSWORD")
}

// kubeFlags are those with which the data pods are followed.
func kubeFlags(f *flag.FlagSet) (*bool, *ledger.Kube) {
	k := &ledger.Kube{}
	kube := f.Bool("kube", false, "follow the data pods through the Kubernetes API")
	f.StringVar(&k.Kubeconfig, "kubeconfig", "", "kubeconfig file (default: the cluster this runs in, else KUBECONFIG)")
	f.StringVar(&k.Namespace, "namespace", "default", "namespace of the data pods")
	f.StringVar(&k.Selector, "selector", "", "label selector of the data pods")
	f.IntVar(&k.Port, "pod-port", 6379, "the servers' port in the pods")
	return kube, k
}

// password takes a password from a file or the environment: a flag would show in
// the list of processes.
func password(to *string, variable, file string) error {
	*to = os.Getenv(variable)
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	*to = strings.TrimRight(string(b), "\r\n")
	return nil
}
