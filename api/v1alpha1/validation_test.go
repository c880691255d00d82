package v1alpha1_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// replication is a spec with more fields.
func replication(fields string) string { return "{topology: Replication, " + fields + "}" }

// sentinel is a spec with fields of spec.sentinel.
func sentinel(fields string) string { return "{topology: Sentinel, sentinel: {" + fields + "}}" }

// cluster is a spec with more fields.
func cluster(fields string) string { return "{topology: Cluster, " + fields + "}" }

func TestWhatIsAcceptedWhenCreated(t *testing.T) {
	s := server(t)
	for name, spec := range map[string]string{
		"a single server":           `{topology: Standalone}`,
		"a single server, said so":  `{topology: Standalone, replicas: 0}`,
		"always an extra pod":       `{topology: Replication, rollout: {surge: Always, strategy: Handover}}`,
		"an extra pod by default":   `{topology: Replication, rollout: {surge: Auto, strategy: RollingUpdate}}`,
		"never an extra pod":        `{topology: Standalone, rollout: {surge: Never, strategy: RollingUpdate}}`,
		"a primary and replicas":    `{topology: Replication}`,
		"one replica":               replication(`replicas: 1`),
		"a version":                 replication(`version: "8.1"`),
		"a version in full":         replication(`version: "9.1.2-alpine3.22"`),
		"a version to come":         replication(`version: "10.0"`),
		"an image":                  replication(`image: "registry.example.com:5000/valkey@sha256:0123"`),
		"settings":                  replication(`config: {maxmemory-policy: allkeys-lru, hz: "20", notify-keyspace-events: ""}`),
		"a quoted setting":          replication(`config: {proc-title-template: "\"{title} {port}\""}`),
		"snapshots by storage":      replication(`storage: {size: 1Gi}, persistence: {save: [{seconds: 60, changes: 1}]}`),
		"snapshots said so":         replication(`persistence: {mode: RDB, save: [{seconds: 60, changes: 1}]}`),
		"the shortest and longest":  replication(`rollout: {handoverTimeout: 1s, clientDrain: 10m}`),
		"no waiting for clients":    replication(`rollout: {handoverTimeout: 1m, clientDrain: 0s, maxLag: 65536}`),
		"another strategy":          replication(`rollout: {strategy: RollingUpdate, paused: true}`),
		"labels and annotations":    replication(`podTemplate: {labels: {app.kubernetes.io/part-of: shop}, annotations: {a: b}}`),
		"no auth":                   replication(`auth: {enabled: false}`),
		"the user's own Secret":     replication(`auth: {secretName: mine}`),
		"scheduling":                replication(`scheduling: {tolerations: [{operator: Exists}], topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]}`),
		"resources":                 replication(`resources: {limits: {memory: 1Gi}, requests: {cpu: 100m}}`),
		"a grace period":            replication(`terminationGracePeriodSeconds: 30`),
		"storage of a class":        replication(`storage: {size: 10Gi, class: fast}`),
		"a log on nothing but /tmp": replication(`persistence: {mode: AOF}`),
		"one shard at a time":       replication(`rollout: {maxParallelShards: 1}`),
		"a cluster":                 `{topology: Cluster}`,
		"a small cluster":           cluster(`shards: 3, replicas: 1`),
		"a large cluster":           cluster(`shards: 64, replicas: 8, storage: {size: 1Gi}`),
		"shards in parallel":        cluster(`shards: 6, rollout: {maxParallelShards: 64}`),
		"a loss made good by hand":  cluster(`recovery: {onShardLoss: Manual}`),
		"a loss accepted":           cluster(`recovery: {onShardLoss: ReassignEmpty}`),
		"nothing said of a loss":    cluster(`recovery: {}`),
		"the shortest silence":      replication(`recovery: {downAfter: 3s}`),
		"the longest silence":       replication(`recovery: {downAfter: 10m}`),
		"nothing said of a silence": replication(`recovery: {}`),
		"writes that are copied":    replication(`config: {min-replicas-to-write: "1", min-replicas-max-lag: "3"}`),
		"Sentinels":                 `{topology: Sentinel}`,
		"Sentinels and one replica": `{topology: Sentinel, replicas: 1, sentinel: {}}`,
		"the least of Sentinels":    sentinel(`replicas: 3, quorum: 2, downAfter: 1s, failoverTimeout: 3s`),
		"the most of Sentinels":     sentinel(`replicas: 9, quorum: 8, downAfter: 5m, failoverTimeout: 10m`),
		"a quorum of three":         sentinel(`quorum: 2`),
		"a quorum of all but one":   sentinel(`replicas: 5, quorum: 4`),
		"down later than timed out": sentinel(`downAfter: 30s, failoverTimeout: 5s`),
		"another name to ask for":   sentinel(`primaryName: Cart.the-1st_primary`),
		"other Sentinels":           sentinel(`image: "registry.example/valkey:9.1", resources: {limits: {memory: 64Mi}}, restartToken: again`),
		"a cluster's own clock":     cluster(`config: {hz: "10", dynamic-hz: "no"}`),
		"another clock":             replication(`config: {hz: "100", dynamic-hz: "yes"}`),
		"settings of a cluster": cluster(`config: {cluster-node-timeout: "15000", cluster-require-full-coverage: "no", cluster-allow-reads-when-down: "yes",
			cluster-allow-pubsubshard-when-down: "no", cluster-link-sendbuf-limit: "1", cluster-slot-stats-enabled: "yes", cluster-preferred-endpoint-type: hostname}`),
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Create(context.Background(), valkey("cart", spec), client.DryRunAll); err != nil {
				t.Errorf("%s\nwas refused: %v", spec, err)
			}
		})
	}
}

func TestWhatIsRefusedWhenCreated(t *testing.T) {
	s := server(t)
	for _, c := range []struct{ name, spec, message string }{
		{"no topology", `{}`, "spec.topology: Required value"},
		{"an unknown topology", `{topology: Ring}`, `supported values: "Standalone", "Replication", "Sentinel", "Cluster"`},
		{"nobody to fail over to", `{topology: Sentinel, replicas: 0}`, "spec.replicas must be at least 1 with topology Sentinel"},
		{"Sentinels of no use", replication(`sentinel: {replicas: 3}`), "spec.sentinel is only for topology Sentinel"},
		{"Sentinels of a cluster", cluster(`sentinel: {}`), "spec.sentinel is only for topology Sentinel"},
		{"an even number of Sentinels", sentinel(`replicas: 4`), "spec.sentinel.replicas must be odd"},
		{"a single Sentinel", sentinel(`replicas: 1`), "should be greater than or equal to 3"},
		{"too many Sentinels", sentinel(`replicas: 11`), "should be less than or equal to 9"},
		{"a quorum of few", sentinel(`replicas: 5, quorum: 2`), "spec.sentinel.quorum must be a majority of spec.sentinel.replicas"},
		{"a quorum of one", sentinel(`quorum: 1`), "should be greater than or equal to 2"},
		{"a quorum of all", sentinel(`quorum: 3`), "spec.sentinel.quorum must be less than spec.sentinel.replicas"},
		{"a quorum of all of five", sentinel(`replicas: 5, quorum: 5`), "spec.sentinel.quorum must be less than spec.sentinel.replicas"},
		{"down at once", sentinel(`downAfter: 900ms`), "spec.sentinel.downAfter must be from 1s to 5m"},
		{"down after ages", sentinel(`downAfter: 301s`), "spec.sentinel.downAfter must be from 1s to 5m"},
		{"a failover that cannot succeed", sentinel(`failoverTimeout: 2s`), "spec.sentinel.failoverTimeout must be from 3s to 10m"},
		{"a failover without an end", sentinel(`failoverTimeout: 11m`), "spec.sentinel.failoverTimeout must be from 3s to 10m"},
		{"a duration of Sentinels that is none", sentinel(`downAfter: soon`), "spec.sentinel.downAfter"},
		{"a name of two words", sentinel(`primaryName: "my primary"`), "spec.sentinel.primaryName"},
		{"no name", sentinel(`primaryName: ""`), "spec.sentinel.primaryName"},
		{"a Sentinel's image with a space", sentinel(`image: "valkey 9"`), "spec.sentinel.image"},
		{"claims of Sentinels", sentinel(`resources: {claims: [{name: gpu}]}`), "spec.sentinel.resources.claims is not supported"},
		{"primaries alone in a cluster", cluster(`replicas: 0`), "spec.replicas must be at least 1 with topology Cluster"},
		{"a faster clock of a cluster", cluster(`config: {hz: "20"}`), v1alpha1.ClusterClockRefusal},
		{"a slower clock of a cluster", cluster(`config: {hz: "1"}`), v1alpha1.ClusterClockRefusal},
		{"a clock of a cluster that hurries", cluster(`config: {dynamic-hz: "yes"}`), v1alpha1.ClusterClockRefusal},
		{"two shards", cluster(`shards: 2`), "spec.shards must be at least 3: with fewer, the primaries that remain when one fails are no majority"},
		{"fewer shards than none", cluster(`shards: -1`), "spec.shards must be at least 3"},
		{"too many shards", cluster(`shards: 65`), "should be less than or equal to 64"},
		{"shards of one primary", replication(`shards: 3`), "spec.shards is only for topology Cluster"},
		{"shards of one server", `{topology: Standalone, shards: 3}`, "spec.shards is only for topology Cluster"},
		{"no shard at a time", cluster(`rollout: {maxParallelShards: 0}`), "should be greater than or equal to 1"},
		{"all too parallel", cluster(`rollout: {maxParallelShards: 65}`), "should be less than or equal to 64"},
		{"one shard in parallel", replication(`rollout: {maxParallelShards: 2}`), "spec.rollout.maxParallelShards may be more than 1 only with topology Cluster"},
		{"a lost shard without shards", replication(`recovery: {onShardLoss: Manual}`), "spec.recovery.onShardLoss is only for topology Cluster"},
		{"a silence too short", replication(`recovery: {downAfter: 2900ms}`), "spec.recovery.downAfter must be from 3s to 10m"},
		{"a silence too long", replication(`recovery: {downAfter: 601s}`), "spec.recovery.downAfter must be from 3s to 10m"},
		{"a silence that is no duration", replication(`recovery: {downAfter: soon}`), "spec.recovery.downAfter"},
		{"a silence that Sentinels judge", `{topology: Sentinel, recovery: {downAfter: 5s}}`, "spec.recovery.downAfter is only for topology Replication"},
		{"a silence of a cluster", cluster(`recovery: {downAfter: 5s}`), "spec.recovery.downAfter is only for topology Replication"},
		{"a silence of a single server", `{topology: Standalone, recovery: {downAfter: 5s}}`, "spec.recovery.downAfter is only for topology Replication"},
		{"another way to recover", cluster(`recovery: {onShardLoss: Pray}`), `supported values: "Manual", "ReassignEmpty"`},
		{"settings of a cluster", replication(`config: {cluster-node-timeout: "15000"}`), "spec.config may set cluster-* only with topology Cluster"},
		{"an unknown way to surge", `{topology: Standalone, rollout: {surge: Sometimes}}`, `supported values: "Auto", "Always", "Never"`},
		{"an extra pod that nobody would use", `{topology: Standalone, rollout: {surge: Always, strategy: RollingUpdate}}`,
			"spec.rollout.surge cannot be Always with strategy RollingUpdate"},
		{"replicas of a single server", `{topology: Standalone, replicas: 1}`, "for replicas use topology Replication"},
		{"no replicas", replication(`replicas: 0`), "for a single server use topology Standalone"},
		{"fewer than none", replication(`replicas: -1`), "should be greater than or equal to 0"},
		{"too many", replication(`replicas: 9`), "should be less than or equal to 8"},
		{"version and image", replication(`version: "9.1", image: valkey`), "set spec.version or spec.image, not both"},
		{"a version that is none", replication(`version: latest`), "spec.version"},
		{"an old version", replication(`version: "8.0.2"`), "spec.version must be 8.1 or newer"},
		{"a very old version", replication(`version: "7.2"`), "spec.version must be 8.1 or newer"},
		{"an image with a space", replication(`image: "valkey 9"`), "spec.image"},
		{"another pull policy", replication(`imagePullPolicy: Sometimes`), "spec.imagePullPolicy"},
		{"resource claims", replication(`resources: {claims: [{name: gpu}]}`), "spec.resources.claims is not supported"},
		{"a volume of no size", replication(`storage: {size: 0}`), "spec.storage.size must be more than 0"},
		{"a volume of less", replication(`storage: {size: "-1Gi"}`), "spec.storage.size must be more than 0"},
		{"a size that is none", replication(`storage: {size: big}`), "spec.storage.size"},
		{"no size", replication(`storage: {class: fast}`), "spec.storage.size: Required value"},
		{"snapshots of a log", replication(`persistence: {mode: AOF, save: [{seconds: 1, changes: 1}]}`), "spec.persistence.save is only for mode RDB"},
		{"snapshots of nothing", replication(`persistence: {save: [{seconds: 1, changes: 1}]}`), "spec.persistence.save is only for mode RDB"},
		{"snapshots at once", replication(`persistence: {mode: RDB, save: [{seconds: 0, changes: 1}]}`), "should be greater than or equal to 1"},
		{"no time for a handover", replication(`rollout: {handoverTimeout: 900ms}`), "spec.rollout.handoverTimeout must be from 1s to 60s"},
		{"too long a handover", replication(`rollout: {handoverTimeout: 61s}`), "spec.rollout.handoverTimeout must be from 1s to 60s"},
		{"a duration that is none", replication(`rollout: {handoverTimeout: soon}`), "spec.rollout.handoverTimeout"},
		{"a duration below none", replication(`rollout: {clientDrain: "-1s"}`), "spec.rollout.clientDrain"},
		{"too long a wait", replication(`rollout: {clientDrain: 11m}`), "spec.rollout.clientDrain must be from 0s to 10m"},
		{"too little lag", replication(`rollout: {maxLag: 65535}`), "should be greater than or equal to 65536"},
		{"another strategy", replication(`rollout: {strategy: Hope}`), "spec.rollout.strategy"},
		{"our labels", replication(`podTemplate: {labels: {app.kubernetes.io/instance: other}}`), "spec.podTemplate.labels may not set labels that the operator selects pods by"},
		{"the role", replication(`podTemplate: {labels: {valkeeper.io/role: primary}}`), "spec.podTemplate.labels may not set labels that the operator selects pods by"},
		{"the revision", replication(`podTemplate: {labels: {controller-revision-hash: a}}`), "or that Kubernetes sets"},
		{"our annotations", replication(`podTemplate: {annotations: {kubectl.kubernetes.io/restartedAt: now}}`), "to restart the servers change spec.restartToken"},
		{"a Secret for nothing", replication(`auth: {enabled: false, secretName: mine}`), "spec.auth.secretName has no use while spec.auth.enabled is false"},
		{"a Secret of no name", replication(`auth: {secretName: My_Secret}`), "spec.auth.secretName"},
		{"a short grace period", replication(`terminationGracePeriodSeconds: 10`), "should be greater than or equal to 30"},
		{"a line break", replication(`config: {hz: "10\nport 1"}`), "spec.config.hz"},
		{"a long setting", replication(`config: {hz: "` + strings.Repeat("1", 513) + `"}`), "may not be more than 512"},
		{"an upper case setting", replication(`config: {PORT: "1"}`), "the names in spec.config are those of valkey.conf in lower case"},
		{"a setting with a space", replication(`config: {"hz 10": "1"}`), "the names in spec.config are those of valkey.conf in lower case"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, s.Create(context.Background(), valkey("cart", c.spec), client.DryRunAll), c.message)
		})
	}
}

func refused(t *testing.T, err error, message string) {
	t.Helper()
	if err == nil {
		t.Fatalf("was accepted, want it refused with %q", message)
	}
	if !strings.Contains(err.Error(), message) {
		t.Errorf("refused with\n%v\nwant\n%s", err, message)
	}
}

func TestOwnedSettingsAreRefusedByTheServerWithTheReason(t *testing.T) {
	s := server(t)
	for _, group := range v1alpha1.OperatorOwned {
		names := append([]string{}, group.Names...)
		for _, prefix := range group.Prefixes {
			names = append(names, prefix+"x")
		}
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				v := valkey("cart", replication(`config: {hz: "10", `+name+`: "1"}`))
				refused(t, s.Create(context.Background(), v, client.DryRunAll), group.Refusal())
			})
		}
	}
}

func TestNames(t *testing.T) {
	s := server(t)
	for name, message := range map[string]string{
		"a":                           "",
		"cart-2":                      "",
		strings.Repeat("a", 40):       "",
		strings.Repeat("a", 41):       "at most 40 characters",
		"shop.cart":                   "metadata.name must be a DNS label",
		"2nd":                         "begin with a letter",
		"very.long." + longName("xy"): "at most 40 characters",
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Create(context.Background(), valkey(name, `{topology: Standalone}`), client.DryRunAll)
			switch {
			case message != "":
				refused(t, err, message)
			case err != nil:
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func longName(part string) string { return strings.Repeat(part, 20) }

func TestWhatCannotBeChangedLater(t *testing.T) {
	s := server(t)
	for _, c := range []struct{ name, before, after, message string }{
		{"topology", `{topology: Standalone}`, `{topology: Replication}`, "spec.topology cannot be changed: create another instance"},
		{"storage added", `{topology: Replication}`, replication(`storage: {size: 1Gi}`), "spec.storage cannot be added or removed later"},
		{"storage removed", replication(`storage: {size: 1Gi}`), `{topology: Replication}`, "spec.storage cannot be added or removed later"},
		{"storage size", replication(`storage: {size: 1Gi}`), replication(`storage: {size: 2Gi}`), "spec.storage.size cannot be changed"},
		{"storage class", replication(`storage: {size: 1Gi, class: a}`), replication(`storage: {size: 1Gi, class: b}`), "spec.storage.class cannot be changed"},
		{"storage class added", replication(`storage: {size: 1Gi}`), replication(`storage: {size: 1Gi, class: b}`), "spec.storage.class cannot be changed"},
		{"snapshots to a log on one server", `{topology: Standalone, storage: {size: 1Gi}}`, `{topology: Standalone, storage: {size: 1Gi}, persistence: {mode: AOF}}`, "spec.persistence.mode cannot change between RDB and AOF"},
		{"a log to snapshots on one server", `{topology: Standalone, storage: {size: 1Gi}, persistence: {mode: AOF}}`, `{topology: Standalone, storage: {size: 1Gi}}`, "spec.persistence.mode cannot change between RDB and AOF"},
		{"topology to a cluster", `{topology: Replication}`, `{topology: Cluster}`, "spec.topology cannot be changed: create another instance"},
		{"topology to Sentinel", `{topology: Replication}`, `{topology: Sentinel}`, "spec.topology cannot be changed: create another instance"},
		{"the name to ask for", sentinel(`primaryName: a`), sentinel(`primaryName: b`), "spec.sentinel.primaryName cannot be changed"},
		{"the name to ask for, named later", `{topology: Sentinel}`, sentinel(`primaryName: b`), "spec.sentinel.primaryName cannot be changed"},
		{"the name to ask for, not named any more", sentinel(`primaryName: a`), sentinel(``), "spec.sentinel.primaryName cannot be changed"},
		{"the default name to ask for", `{topology: Sentinel}`, sentinel(`primaryName: mymaster`), ""},
		{"all else of Sentinels", sentinel(`replicas: 5, quorum: 3, image: a`), sentinel(`downAfter: 2s, failoverTimeout: 20s, restartToken: a`), ""},
		{"shards", cluster(`shards: 3`), cluster(`shards: 5`), ""},
		{"fewer shards", cluster(`shards: 5`), `{topology: Cluster}`, ""},
		{"replicas of a cluster", cluster(`replicas: 1`), cluster(`replicas: 2`), ""},
		{"snapshots to a log in a cluster", cluster(`storage: {size: 1Gi}`), cluster(`storage: {size: 1Gi}, persistence: {mode: AOF}`), ""},
		{"snapshots to a log with replicas", replication(`storage: {size: 1Gi}`), replication(`storage: {size: 1Gi}, persistence: {mode: AOF}`), ""},
		{"persistence switched on on one server", `{topology: Standalone}`, `{topology: Standalone, persistence: {mode: AOF}}`, ""},
		{"version", replication(`version: "8.1"`), replication(`version: "9.1"`), ""},
		{"version to image", replication(`version: "8.1"`), replication(`image: valkey`), ""},
		{"replicas", replication(`replicas: 1`), replication(`replicas: 3`), ""},
		{"settings", replication(`config: {hz: "10"}`), replication(`config: {hz: "20"}`), ""},
		{"auth", replication(`auth: {enabled: true}`), replication(`auth: {enabled: false}`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := create(t, s, "change", c.before)
			v.Object["spec"] = valkey("change", c.after).Object["spec"]
			err := s.Update(context.Background(), v)
			switch {
			case c.message != "":
				refused(t, err, c.message)
			case err != nil:
				t.Errorf("refused: %v", err)
			}
		})
	}
}

// create makes a resource that goes when the test ends.
func create(t *testing.T, s apiServer, name, spec string) *unstructured.Unstructured {
	t.Helper()
	v := valkey(name, spec)
	if err := s.Create(context.Background(), v); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Delete(context.Background(), v); client.IgnoreNotFound(err) != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return v
}

func TestDefaults(t *testing.T) {
	s := server(t)
	create(t, s, "defaults", `{topology: Replication}`)
	v := &v1alpha1.Valkey{}
	if err := s.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "defaults"}, v); err != nil {
		t.Fatal(err)
	}
	r := v.Spec.Rollout
	if r.Strategy != v1alpha1.StrategyHandover || r.Paused || r.HandoverTimeout == nil || r.MaxLag == nil || r.ClientDrain == nil {
		t.Fatalf("spec.rollout is %+v", r)
	}
	for name, got := range map[string]bool{
		"handoverTimeout":     r.HandoverTimeout.Duration == v1alpha1.DefaultHandoverTimeout,
		"maxLag":              *r.MaxLag == v1alpha1.DefaultMaxLag,
		"clientDrain":         r.ClientDrain.Duration == v1alpha1.DefaultClientDrain,
		"auth":                v.Spec.Auth.Enabled != nil && *v.Spec.Auth.Enabled,
		"podDisruptionBudget": v.Spec.PodDisruptionBudget.Enabled != nil && *v.Spec.PodDisruptionBudget.Enabled,
		"replicas":            v.Spec.ReplicaCount() == v1alpha1.DefaultReplicas,
		"persistence":         v.Spec.PersistenceMode() == v1alpha1.PersistenceNone,
	} {
		if !got {
			t.Errorf("%s has not its default: %+v", name, v.Spec)
		}
	}
}

// A Go client that sends the type back must not turn defaults into zeros.
func TestAGoClientMayWriteWhatItRead(t *testing.T) {
	s := server(t)
	create(t, s, "goclient", `{topology: Replication}`)
	v := &v1alpha1.Valkey{}
	key := client.ObjectKey{Namespace: "default", Name: "goclient"}
	if err := s.Get(context.Background(), key, v); err != nil {
		t.Fatal(err)
	}
	before := v.Generation
	if err := s.Update(context.Background(), v); err != nil {
		t.Fatal(err)
	}
	if v.Generation != before {
		t.Error("writing a resource back unchanged changed it")
	}
	sparse := &v1alpha1.Valkey{Spec: v1alpha1.ValkeySpec{Topology: v1alpha1.TopologyReplication}}
	sparse.Namespace, sparse.Name = "default", "goclient-sparse"
	if err := s.Create(context.Background(), sparse, client.DryRunAll); err != nil {
		t.Fatalf("a sparse resource was refused: %v", err)
	}
	if got := sparse.Spec.Rollout.HandoverTimeoutOrDefault(); got != 5*time.Second {
		t.Errorf("handoverTimeout is %v", got)
	}
}
