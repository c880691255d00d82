package render

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

func conf(t *testing.T, spec string) []string {
	t.Helper()
	v := instance(t, spec)
	return strings.Split(rendered(t, v, fixed()).ConfigMap.Data[confFile], "\n")
}

func TestEveryServerBootsAsAReplicaOfNobody(t *testing.T) {
	for _, spec := range []string{
		`{topology: Standalone}`,
		`{topology: Replication}`,
		`{topology: Replication, persistence: {mode: AOF}}`,
	} {
		if lines := conf(t, spec); !slices.Contains(lines, "replicaof 127.0.0.1 1") {
			t.Errorf("%s: a server could boot as primary:\n%s", spec, strings.Join(lines, "\n"))
		}
	}
}

func TestWhatIsPersisted(t *testing.T) {
	const volume = `storage: {size: 1Gi}`
	for _, c := range []struct {
		name, spec string
		want, not  []string
	}{
		{
			"without storage nothing is", `{topology: Replication}`,
			[]string{`save ""`, "appendonly no", "rdb-del-sync-files yes"}, nil,
		},
		{
			"with storage snapshots are", `{topology: Replication, ` + volume + `}`,
			[]string{"save 3600 1 300 100 60 10000", "appendonly no"}, []string{"rdb-del-sync-files yes"},
		},
		{
			"storage does not force it", `{topology: Replication, ` + volume + `, persistence: {mode: None}}`,
			[]string{`save ""`, "appendonly no"}, nil,
		},
		{
			"a log replaces snapshots", `{topology: Replication, ` + volume + `, persistence: {mode: AOF}}`,
			[]string{`save ""`, "appendonly yes", "appendfsync everysec"}, nil,
		},
		{
			"snapshots at the user's times", `{topology: Replication, persistence: {mode: RDB, save: [{seconds: 60, changes: 5}, {seconds: 5, changes: 100}]}}`,
			[]string{"save 60 5 5 100", "appendonly no"}, nil,
		},
		{
			"the user says how often the log is synced", `{topology: Replication, persistence: {mode: AOF}, config: {appendfsync: always}}`,
			[]string{"appendfsync always"}, []string{"appendfsync everysec"},
		},
	} {
		t.Run(c.name, func(t *testing.T) { hasLines(t, conf(t, c.spec), c.want, c.not) })
	}
}

func TestMemoryFollowsTheLimit(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want, not  []string
	}{
		{
			"no limit, no bound", `{topology: Standalone}`,
			[]string{"repl-backlog-size 67108864", "client-output-buffer-limit replica 1073741824 536870912 120"}, []string{"maxmemory 0"},
		},
		{
			"a quarter of the limit stays free", `{topology: Standalone, resources: {limits: {memory: 4Gi}}}`,
			[]string{"maxmemory 3221225472", "repl-backlog-size 67108864", "client-output-buffer-limit replica 536870912 268435456 120"}, nil,
		},
		{
			"a small limit shrinks the backlog, which counts as data", `{topology: Standalone, resources: {limits: {memory: 128Mi}}}`,
			[]string{"maxmemory 100663296", "repl-backlog-size 8388608", "client-output-buffer-limit replica 16777216 8388608 120"}, nil,
		},
		{
			"a request alone bounds nothing", `{topology: Standalone, resources: {requests: {memory: 128Mi}}}`,
			[]string{"repl-backlog-size 67108864"}, []string{"maxmemory 100663296"},
		},
		{
			"the user's maxmemory wins", `{topology: Standalone, resources: {limits: {memory: 4Gi}}, config: {maxmemory: 1gb}}`,
			[]string{"maxmemory 1gb"}, []string{"maxmemory 3221225472"},
		},
		{
			"the user's buffers for other clients leave the replicas' alone",
			`{topology: Standalone, config: {client-output-buffer-limit: pubsub 1mb 1mb 1}}`,
			[]string{"client-output-buffer-limit replica 1073741824 536870912 120", "client-output-buffer-limit pubsub 1mb 1mb 1"}, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) { hasLines(t, conf(t, c.spec), c.want, c.not) })
	}
}

func hasLines(t *testing.T, lines, want, not []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(lines, w) {
			t.Errorf("lacks %q:\n%s", w, strings.Join(lines, "\n"))
		}
	}
	for _, n := range not {
		if slices.Contains(lines, n) {
			t.Errorf("has %q:\n%s", n, strings.Join(lines, "\n"))
		}
	}
}

func TestSettingsThatTheOperatorOwnsAreRefusedWithTheReason(t *testing.T) {
	for _, group := range v1alpha1.OperatorOwned {
		names := slices.Clone(group.Names)
		for _, prefix := range group.Prefixes {
			names = append(names, prefix+"x")
		}
		for _, name := range names {
			for _, written := range []string{name, strings.ToUpper(name)} {
				v := instance(t, `{topology: Replication}`)
				v.Spec.Config = v1alpha1.Config{written: "1"}
				_, err := Objects(v, fixed())
				if !errors.Is(err, ErrOwnedSetting) || !strings.Contains(err.Error(), group.Why) {
					t.Errorf("%s: got %v, want it refused because %s", written, err, group.Why)
				}
			}
		}
	}
}

func TestNoSettingSmugglesASecondLine(t *testing.T) {
	for name, value := range map[string]string{
		"hz":                 "10\nreplicaof no one",
		"hz 10\nreplicaof":   "10.0.0.1 6379",
		"maxclients 10 port": "1",
	} {
		v := instance(t, `{topology: Replication}`)
		v.Spec.Config = v1alpha1.Config{name: v1alpha1.ConfigValue(value)}
		if _, err := Objects(v, fixed()); err == nil {
			t.Errorf("%q: %q was accepted", name, value)
		}
	}
}

// A failover that has failed is over for the target when it looks at the clock
// (docs/adr/0005).
func TestMembersOfAClusterLookAtTheClockTenTimesASecond(t *testing.T) {
	for _, c := range []struct {
		topology, setting, value string
		refused                  bool
	}{
		{"Cluster", "hz", "100", true},
		{"Cluster", "hz", "11", true},
		{"Cluster", "hz", "1", true},
		{"Cluster", "HZ", "20", true},
		{"Cluster", "dynamic-hz", "yes", true},
		{"Cluster", "hz", "10", false},
		{"Cluster", "dynamic-hz", "no", false},
		{"Replication", "hz", "100", false},
		{"Sentinel", "dynamic-hz", "yes", false},
	} {
		v := instance(t, "{topology: "+c.topology+"}")
		v.Spec.Config = v1alpha1.Config{c.setting: v1alpha1.ConfigValue(c.value)}
		_, err := Objects(v, fixed())
		if refused := errors.Is(err, ErrOwnedSetting) && strings.Contains(err.Error(), v1alpha1.ClusterClockRefusal); refused != c.refused || (err != nil) != c.refused {
			t.Errorf("%s: %s %s: got %v, want it refused: %t", c.topology, c.setting, c.value, err, c.refused)
		}
	}
}

func TestAnotherConfigurationIsAnotherConfigMap(t *testing.T) {
	a := rendered(t, instance(t, `{topology: Replication}`), fixed())
	b := rendered(t, instance(t, `{topology: Replication, config: {hz: "20"}}`), fixed())
	if a.ConfigMap.Name == b.ConfigMap.Name {
		t.Fatalf("both are named %s: a container that restarts would read the next revision's settings", a.ConfigMap.Name)
	}
	for _, r := range []Rendered{a, b} {
		if r.ConfigMap.Immutable == nil || !*r.ConfigMap.Immutable {
			t.Errorf("ConfigMap %s can be changed", r.ConfigMap.Name)
		}
		if got := ConfigMapOf(r.StatefulSets[0].Spec.Template.Spec); got != r.ConfigMap.Name {
			t.Errorf("pods read ConfigMap %q, want %q", got, r.ConfigMap.Name)
		}
	}
}

func TestHowLongAServerMayTakeToStop(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		seconds    int64
	}{
		{"the preStop step, the replicas, and a margin", `{topology: Standalone}`, 21 + 10 + 10},
		{"a log is on disk already", `{topology: Standalone, storage: {size: 1Ti}, persistence: {mode: AOF}}`, 21 + 10 + 10},
		{"the memory limit bounds the snapshot", `{topology: Standalone, storage: {size: 1Ti}, resources: {limits: {memory: 10Gi}}}`, 21 + 10 + 205 + 10},
		{"else the volume does", `{topology: Standalone, storage: {size: 5Gi}}`, 21 + 10 + 103 + 10},
		{"else nobody knows", `{topology: Standalone, persistence: {mode: RDB}}`, 21 + 10 + 60 + 10},
		{"a quarter of an hour is enough", `{topology: Standalone, storage: {size: 10Ti}}`, 900},
		{"a Cluster's primary hands over as well", `{topology: Cluster, storage: {size: 5Gi}}`, 21 + 10 + 103 + 10 + 5},
		{"the user knows best", `{topology: Standalone, storage: {size: 10Ti}, terminationGracePeriodSeconds: 3600}`, 3600},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := rendered(t, instance(t, c.spec), fixed()).StatefulSets[0].Spec.Template.Spec
			if got := *pod.TerminationGracePeriodSeconds; got != c.seconds {
				t.Errorf("%d s, want %d", got, c.seconds)
			}
		})
	}
}

// What a pod's annotation says of its pings is what its valkey.conf says.
func TestAPodTellsHowOftenItsServerPings(t *testing.T) {
	for config, want := range map[string]string{
		``: "1",
		`, config: {repl-ping-replica-period: "7"}`:                              "7",
		`, config: {repl-ping-slave-period: "4"}`:                                "4",
		`, config: {repl-ping-replica-period: "7", repl-ping-slave-period: "4"}`: "4",
	} {
		v := instance(t, "{topology: Replication"+config+"}")
		r := rendered(t, v, fixed())
		if got := r.StatefulSets[0].Spec.Template.Annotations[v1alpha1.ReplicaPingAnnotation]; got != want {
			t.Errorf("with %q the annotation says %q", config, got)
		}
		value := ""
		for line := range strings.Lines(r.ConfigMap.Data[confFile]) {
			if name, said, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, "repl-ping-") {
				value = said // the last one counts
			}
		}
		if value != want {
			t.Errorf("with %q valkey.conf says %q", config, value)
		}
	}
}
