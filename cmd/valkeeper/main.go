// Command valkeeper is the operator: flags and wiring, nothing else.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/act"
	"github.com/valkeeper/valkeeper/internal/controller"
	"github.com/valkeeper/valkeeper/internal/observe"
	"github.com/valkeeper/valkeeper/internal/render"
	"github.com/valkeeper/valkeeper/internal/servers"
)

// version is set by the linker.
var version = "dev"

const (
	// defaultWorkers: a worker mostly waits, 1.5 s for each look at a silent server.
	// When a host is lost, all instances that have a server there need one.
	defaultWorkers = 32
	// stopTimeout is how long a handover that is under way has when the operator is
	// told to stop: less than the Deployment's terminationGracePeriodSeconds.
	stopTimeout = 20 * time.Second
)

// While no operator works nothing is repaired, so the one that stands by does
// not wait as long as it does by default (15 s) after one that died.
const (
	leaseDuration = 10 * time.Second
	renewDeadline = 7 * time.Second
)

type options struct {
	metricsAddr, healthAddr string
	leaderElect             bool
	leaderElectionNamespace string
	watchNamespaces         string
	site                    render.Site
	workers                 int
	qps                     float64
	burst                   int
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "valkeeper:", err)
		os.Exit(1)
	}
}

func flags() (options, zap.Options) {
	var o options
	flag.StringVar(&o.metricsAddr, "metrics-bind-address", ":8080", "where metrics are served; 0 for nowhere")
	flag.StringVar(&o.healthAddr, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served")
	flag.BoolVar(&o.leaderElect, "leader-elect", true, "let one of several operators work at a time")
	flag.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the lease; the operator's own when empty")
	flag.StringVar(&o.watchNamespaces, "watch-namespaces", "", "namespaces to look after, separated by commas; all when empty")
	flag.StringVar(&o.site.ImageRepository, "image-repository", "docker.io/valkey/valkey", "where spec.version finds its image")
	flag.StringVar(&o.site.Domain, "cluster-domain", searchDomain(resolvConf), "domain of the Kubernetes cluster, such as cluster.local; found out from "+resolvConf+" when not set")
	flag.IntVar(&o.workers, "workers", defaultWorkers, "how many instances are looked after at the same time")
	flag.Float64Var(&o.qps, "kube-api-qps", 100, "requests a second to the API server, on average")
	flag.IntVar(&o.burst, "kube-api-burst", 200, "requests to the API server at once")
	var z zap.Options
	z.BindFlags(flag.CommandLine)
	flag.Parse()
	return o, z
}

func run() error {
	o, z := flags()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&z)))
	ctx := ctrl.SetupSignalHandler()
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	mgr, err := newManager(config, o)
	if err != nil {
		return err
	}
	recorder := mgr.GetEventRecorder("valkeeper")
	pool := servers.NewPool()
	calm := controller.NewCalm()
	hosts := controller.NewHostWatch(calm)
	reconciler := &controller.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Servers: pool, Turns: act.NewTurns(), Calm: calm, HostWatch: hosts,
		Sentries: controller.NewSentries(),
		Observer: observe.Observer{Reader: mgr.GetClient(), Servers: pool, Calm: calm, Zones: observe.NewZones(mgr.GetAPIReader()),
			LostHosts:   observe.NewLostHosts(mgr.GetAPIReader()),
			Silence:     observe.NewSilence(),
			TornLogs:    observe.NewTornLogs(),
			Absences:    observe.NewAbsences(mgr.GetAPIReader()),
			Evacuations: hosts.Evacuations,
			Now:         time.Now},
		Events:  &controller.Events{Recorder: recorder},
		Objects: controller.NewEnsurer(mgr.GetClient(), mgr.GetAPIReader(), o.site),
	}
	if err := reconciler.SetUp(ctx, mgr, o.workers); err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", version, "workers", o.workers)
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, o options) (ctrl.Manager, error) {
	config.QPS, config.Burst = float32(o.qps), o.burst
	config.Wrap(act.EvictOnce)
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddr},
		HealthProbeBindAddress:        o.healthAddr,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "valkeeper.valkeeper.io",
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 ptr.To(leaseDuration),
		RenewDeadline:                 ptr.To(renewDeadline),
		GracefulShutdownTimeout:       ptr.To(stopTimeout),
		Cache:                         cacheOptions(o.watchNamespaces),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return mgr, mgr.AddReadyzCheck("ping", healthz.Ping)
}

// cacheOptions keeps in memory what belongs to instances, and of everybody
// else's Services and EndpointSlices only that they exist (controller/calm.go).
func cacheOptions(namespaces string) cache.Options {
	ours := labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": v1alpha1.ManagedBy})
	opts := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: ours},
			&corev1.PersistentVolumeClaim{}: {Label: ours},
			&corev1.ConfigMap{}:             {Label: ours},
			&appsv1.StatefulSet{}:           {Label: ours},
			&policyv1.PodDisruptionBudget{}: {Label: ours},
			&corev1.Service{}:               {Transform: stripOthers},
			&discoveryv1.EndpointSlice{}:    {Transform: stripOthers},
		},
	}
	if namespaces != "" {
		opts.DefaultNamespaces = map[string]cache.Config{}
		for ns := range strings.SplitSeq(namespaces, ",") {
			if ns = strings.TrimSpace(ns); ns != "" { // which would mean all of them
				opts.DefaultNamespaces[ns] = cache.Config{}
			}
		}
	}
	return opts
}

// stripOthers drops the contents of objects that are not ours.
func stripOthers(obj any) (any, error) {
	switch o := obj.(type) {
	case *corev1.Service:
		o.ManagedFields = nil
		if o.Labels["app.kubernetes.io/managed-by"] != v1alpha1.ManagedBy {
			o.Spec, o.Annotations = corev1.ServiceSpec{}, nil
		}
	case *discoveryv1.EndpointSlice:
		o.ManagedFields = nil
		if o.Labels[discoveryv1.LabelManagedBy] != v1alpha1.ManagedBy {
			o.Endpoints, o.Ports, o.Annotations = nil, nil, nil
		}
	}
	return obj, nil
}
