package render

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

func TestAShardMoreOrLessRestartsNobody(t *testing.T) {
	in := fixed()
	five := rendered(t, instance(t, `{topology: Cluster, shards: 5}`), in)
	in.StatefulSets = found(five.StatefulSets[:3]...)
	for _, shards := range []string{"3", "5", "64"} {
		after := rendered(t, instance(t, `{topology: Cluster, shards: `+shards+`}`), in)
		for i, before := range five.StatefulSets[:3] {
			if got := after.StatefulSets[i]; !reflect.DeepEqual(got.Spec.Template, before.Spec.Template) {
				t.Errorf("with %s shards the pods of %s restart", shards, before.Name)
			}
		}
		// Nor would they if an operator saw them for the first time.
		afresh := rendered(t, instance(t, `{topology: Cluster, shards: `+shards+`}`), fixed())
		if !reflect.DeepEqual(afresh.StatefulSets[0].Spec.Template, five.StatefulSets[0].Spec.Template) {
			t.Errorf("with %s shards the template is another one", shards)
		}
	}
}

func TestShardsBeyondTheWishAreStillDeclaredWhileTheyExist(t *testing.T) {
	in := fixed()
	in.StatefulSets = found(rendered(t, instance(t, `{topology: Cluster, shards: 12}`), in).StatefulSets...)
	v := instance(t, `{topology: Cluster, shards: 3, version: "8.1"}`)
	r := rendered(t, v, in)
	var names []string
	for i, set := range r.StatefulSets {
		names = append(names, set.Name)
		if image := set.Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, ":8.1") {
			t.Errorf("%s does not get the new version: %s", set.Name, image)
		}
		if primary, replicas := r.Budgets[2*i].Name, r.Budgets[2*i+1].Name; primary != set.Name+"-primary" || replicas != set.Name {
			t.Errorf("the budgets of %s are %s and %s", set.Name, primary, replicas)
		}
	}
	if len(names) != 12 || names[2] != "cart-shard-2" || names[11] != "cart-shard-11" {
		t.Errorf("declared are %v", names)
	}
	in.StatefulSets = found(&appsv1.StatefulSet{}) // of no shard's name
	if got := len(rendered(t, v, in).StatefulSets); got != 3 {
		t.Errorf("%d shards are declared, want 3", got)
	}
}

func TestAnOperatorUpgradeChangesNoPodOfACluster(t *testing.T) {
	v := instance(t, `{topology: Cluster, shards: 4}`)
	before := rendered(t, v, fixed())
	for _, set := range before.StatefulSets {
		set.Spec.Template.Spec.Containers[0].Image = "old.example.com/valkey"
		set.Spec.Template.Spec.Volumes[0].Projected.Sources[0].ConfigMap.Name = "cart-config-old"
	}
	in := fixed()
	in.StatefulSets = found(before.StatefulSets...)
	after := rendered(t, v, in)
	for i, set := range after.StatefulSets {
		if !reflect.DeepEqual(set.Spec.Template, before.StatefulSets[i].Spec.Template) {
			t.Errorf("the pods of %s restart", set.Name)
		}
	}
	if after.ConfigMap != nil {
		t.Error("a ConfigMap would be written for nobody")
	}
	delete(in.StatefulSets, "cart-shard-3") // a shard that the new operator makes needs it
	if after = rendered(t, v, in); after.ConfigMap == nil || ConfigMapOf(after.StatefulSets[3].Spec.Template.Spec) != after.ConfigMap.Name {
		t.Error("the new shard's ConfigMap is not written")
	}
}

func TestAPodOfAShardIsUnderTheBudgetOfItsRole(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Cluster, replicas: 2}`), fixed())
	for _, set := range r.StatefulSets {
		for role, want := range map[string]string{"primary": set.Name + "-primary 1", "replica": set.Name + " 1", "": ""} {
			labels := k8slabels.Merge(set.Spec.Template.Labels, k8slabels.Set{v1alpha1.RoleLabel: role})
			var under []string
			for _, b := range r.Budgets {
				if selects(t, b.Spec.Selector, labels) {
					under = append(under, fmt.Sprintf("%s %d", b.Name, b.Spec.MinAvailable.IntValue()))
				}
			}
			if got := strings.Join(under, ", "); got != want {
				t.Errorf("role %q of %s is under %q, want %q", role, set.Name, got, want)
			}
		}
	}
}

func TestEachPodIsOfOneShard(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Cluster, replicas: 2}`), fixed())
	for _, set := range r.StatefulSets {
		labels := set.Spec.Template.Labels
		var sets []string
		for _, other := range r.StatefulSets {
			if selects(t, other.Spec.Selector, labels) {
				sets = append(sets, other.Name)
			}
		}
		if !slices.Equal(sets, []string{set.Name}) {
			t.Errorf("the pods of %s belong to %v", set.Name, sets)
		}
		for name, service := range map[string]*corev1.Service{"headless": r.NodesService, "client": r.ClusterService} {
			for key, value := range service.Spec.Selector {
				if labels[key] != value {
					t.Errorf("the %s Service does not lead to the pods of %s", name, set.Name)
				}
			}
		}
		if set.Labels[v1alpha1.ShardLabel] == "" || *set.Spec.Replicas != 3 {
			t.Errorf("%s has labels %v and %d pods", set.Name, set.Labels, *set.Spec.Replicas)
		}
	}
	if !r.NodesService.Spec.PublishNotReadyAddresses || r.ClusterService.Spec.PublishNotReadyAddresses {
		t.Error("servers look for each other before they are in service, and clients for those in service")
	}
}

func TestServersOfOneShardShunEachOthersHosts(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Cluster}`), fixed())
	want := []string{corev1.LabelHostname, corev1.LabelTopologyZone}
	for _, set := range r.StatefulSets {
		pod := set.Spec.Template
		var own, all []string
		for _, term := range pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			own = append(own, term.PodAffinityTerm.TopologyKey)
			if !reflect.DeepEqual(term.PodAffinityTerm.LabelSelector, set.Spec.Selector) {
				t.Errorf("%s avoids %+v", set.Name, term.PodAffinityTerm)
			}
		}
		for _, c := range pod.Spec.TopologySpreadConstraints {
			all = append(all, c.TopologyKey) // Kubernetes refuses a second one for the same
			if c.WhenUnsatisfiable != corev1.ScheduleAnyway || reflect.DeepEqual(c.LabelSelector, set.Spec.Selector) {
				t.Errorf("%s is spread by %+v", set.Name, c)
			}
		}
		if !slices.Equal(own, want) || !slices.Equal(all, want) {
			t.Errorf("%s keeps the shard apart over %v and the instance over %v", set.Name, own, all)
		}
	}
	users := rendered(t, instance(t, `{topology: Cluster, scheduling: {affinity: {nodeAffinity: {}}}}`), fixed())
	if a := users.StatefulSets[0].Spec.Template.Spec.Affinity; a.NodeAffinity == nil || a.PodAntiAffinity != nil {
		t.Errorf("the user's affinity became %+v", a)
	}
}

func TestWhatAServerOfAClusterIsTold(t *testing.T) {
	const cluster = `{topology: Cluster, `
	for _, c := range []struct {
		name, spec string
		want, not  []string
	}{
		{
			"what the operator decides", `{topology: Cluster}`,
			[]string{"cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 5000",
				"cluster-allow-replica-migration no", "cluster-replica-validity-factor 10", "dynamic-hz no"},
			[]string{"replicaof 127.0.0.1 1"},
		},
		{
			"what the user may decide", cluster + `config: {cluster-node-timeout: "15000", cluster-require-full-coverage: "no"}}`,
			[]string{"cluster-node-timeout 15000", "cluster-require-full-coverage no"}, []string{"cluster-node-timeout 5000"},
		},
		{
			"nothing of a cluster otherwise", `{topology: Replication}`, []string{"replicaof 127.0.0.1 1"},
			[]string{"cluster-enabled yes", "cluster-node-timeout 5000"},
		},
	} {
		t.Run(c.name, func(t *testing.T) { hasLines(t, conf(t, c.spec), c.want, c.not) })
	}
	// Settings that one of the two versions does not know, or that differ from pod
	// to pod, are start.sh's.
	for _, line := range conf(t, `{topology: Cluster}`) {
		for _, name := range []string{"cluster-announce-", "shutdown-on-sigterm", "cluster-manual-failover-timeout"} {
			if strings.HasPrefix(line, name) {
				t.Errorf("valkey.conf says %q", line)
			}
		}
	}
}

func TestSettingsOfAClusterAreRefusedElsewhere(t *testing.T) {
	for _, topology := range []string{"Replication", "Standalone"} {
		v := instance(t, `{topology: `+topology+`, config: {cluster-node-timeout: "15000"}}`)
		if _, err := Objects(v, fixed()); err == nil || !strings.Contains(err.Error(), "only with topology Cluster") {
			t.Errorf("%s: got %v", topology, err)
		}
	}
}

func TestWhoKnowsWhichUsersInACluster(t *testing.T) {
	secret := rendered(t, instance(t, `{topology: Cluster}`), fixed()).SystemSecret
	if text := string(secret.Data[aclFile]); strings.Contains(text, "slotmigrations") {
		t.Errorf("8.1 would not start with\n%s", text)
	}
	for _, file := range []string{aclFile, newerACLFile} {
		text := string(secret.Data[file])
		if strings.Contains(text, "password") {
			t.Errorf("a password stands in %s", file)
		}
		for _, user := range []string{"default", "valkeeper", "replication", "migration", "valkeeper-stop"} {
			if !strings.Contains("\n"+text, "\nuser "+user+" ") {
				t.Errorf("%s lacks the user %s:\n%s", file, user, text)
			}
		}
	}
	if !strings.Contains(string(secret.Data[newerACLFile]), "+cluster|migrateslots") {
		t.Errorf("%s lets nobody move slots", newerACLFile)
	}
	held := string(secret.Data[heldACLFile])
	for user, there := range map[string]bool{"default": true, "valkeeper": true, "replication": false, "migration": false, "valkeeper-stop": false} {
		if got := strings.Contains("\n"+held, "\nuser "+user+" "); got != there {
			t.Errorf("a server that is held back knows the user %s: %t", user, got)
		}
	}
	for _, spec := range []string{`{topology: Replication}`, `{topology: Standalone}`} {
		data := rendered(t, instance(t, spec), fixed()).SystemSecret.Data
		if _, there := data[v1alpha1.MigrationPasswordKey]; there || len(data) != 5 {
			t.Errorf("%s: the Secret has %d keys, and a password for migrations: %t", spec, len(data), there)
		}
	}
}

// What the pods of the other topologies are is held by the golden files.
func TestTheGuardIsTheFirstProcess(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Cluster, persistence: {mode: AOF}}`), fixed())
	c := r.StatefulSets[0].Spec.Template.Spec.Containers[0]
	if !slices.Equal(c.Command, []string{"sh", "/etc/valkey/start.sh"}) {
		t.Errorf("the container runs %v", c.Command)
	}
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
		if e.ValueFrom != nil {
			env[e.Name] = e.ValueFrom.FieldRef.FieldPath
		}
	}
	want := map[string]string{"PERSISTENCE": "AOF", "POD_IP": "status.podIP", "POD_NAME": "metadata.name",
		"ANNOUNCE_HOSTNAME": "$(POD_NAME).cart-nodes.shop.svc"}
	if !reflect.DeepEqual(env, want) {
		t.Errorf("it is told %v, want %v", env, want)
	}
	if r.ConfigMap.Data[startFile] != startScript {
		t.Error("the script is not in the ConfigMap")
	}
	other := rendered(t, instance(t, `{topology: Cluster, persistence: {mode: RDB}}`), fixed())
	if other.ConfigMap.Name == r.ConfigMap.Name {
		t.Error("another configuration has the same name")
	}
}
