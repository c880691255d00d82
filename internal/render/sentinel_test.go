package render

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// templates are those of the data servers and of the Sentinels.
func templates(r Rendered) (data, sentinels corev1.PodTemplateSpec) {
	return r.StatefulSets[0].Spec.Template, r.Sentinels.StatefulSet.Spec.Template
}

func TestWhichWishesRestartServersAndWhichSentinels(t *testing.T) {
	const none, servers, sentinels, both = "nobody", "servers", "Sentinels", "both"
	before := `{topology: Sentinel}`
	for wish, who := range map[string]string{
		`sentinel: {resources: {limits: {memory: 64Mi}}}`:                sentinels,
		`sentinel: {image: example.com/valkey}`:                          sentinels,
		`sentinel: {restartToken: now}`:                                  sentinels,
		`sentinel: {replicas: 5, quorum: 4}`:                             none,
		`sentinel: {downAfter: 2s, failoverTimeout: 20s}`:                none,
		`sentinel: {primaryName: cart}`:                                  none,
		`replicas: 5`:                                                    none,
		`rollout: {paused: true, clientDrain: 1s}`:                       none,
		`podDisruptionBudget: {enabled: false}`:                          none,
		`restartToken: now`:                                              servers,
		`resources: {limits: {memory: 1Gi}}`:                             servers,
		`config: {hz: "20"}`:                                             servers,
		`persistence: {mode: AOF}`:                                       servers,
		`storage: {size: 1Gi}`:                                           servers,
		`terminationGracePeriodSeconds: 31`:                              servers,
		`version: "8.1"`:                                                 both,
		`image: example.com/valkey`:                                      both,
		`imagePullPolicy: Always`:                                        both,
		`imagePullSecrets: [{name: a}]`:                                  both,
		`scheduling: {nodeSelector: {a: b}}`:                             both,
		`podTemplate: {annotations: {a: b}}`:                             both,
		`auth: {enabled: false}`:                                         both,
		`version: "8.1", sentinel: {image: docker.io/valkey/valkey:9.1}`: servers,
	} {
		t.Run(wish, func(t *testing.T) {
			in := fixed()
			first := rendered(t, instance(t, before), in)
			in.StatefulSets = found(first.EveryStatefulSet()...)
			wasData, wasSentinels := templates(first)
			after := instance(t, `{topology: Sentinel, `+wish+`}`)
			// What is kept, and what an operator would make that sees it for the first time.
			for how, in := range map[string]Inputs{"kept": in, "afresh": fixed()} {
				data, others := templates(rendered(t, after, in))
				got := []string{none, servers, sentinels, both}[bit(!reflect.DeepEqual(wasData, data))+2*bit(!reflect.DeepEqual(wasSentinels, others))]
				if got != who {
					t.Errorf("%s: it restarts %s, and should restart %s", how, got, who)
				}
			}
		})
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestRestartedAtOnTheResourceRestartsNoSentinel(t *testing.T) {
	v := instance(t, `{topology: Sentinel}`)
	in := fixed()
	in.StatefulSets = found(rendered(t, v, fixed()).EveryStatefulSet()...)
	v.Annotations = map[string]string{v1alpha1.RestartedAtAnnotation: "now"}
	data, sentinels := templates(rendered(t, v, in))
	if data.Annotations[v1alpha1.RestartedAtAnnotation] != "now" || sentinels.Annotations[v1alpha1.RestartedAtAnnotation] != "" {
		t.Errorf("servers have %v, Sentinels %v", data.Annotations, sentinels.Annotations)
	}
}

func TestAnOperatorUpgradeRestartsNoSentinel(t *testing.T) {
	v := instance(t, `{topology: Sentinel}`)
	before := rendered(t, v, fixed())
	before.Sentinels.StatefulSet.Spec.Template.Spec.Containers[0].Image = "old.example.com/valkey"
	before.Sentinels.StatefulSet.Spec.Template.Spec.Volumes[0].Projected.Sources[0].ConfigMap.Name = "cart-sentinel-config-old"
	in := fixed()
	in.StatefulSets = found(before.EveryStatefulSet()...)
	after := rendered(t, v, in)
	if !reflect.DeepEqual(after.Sentinels.StatefulSet.Spec.Template, before.Sentinels.StatefulSet.Spec.Template) {
		t.Error("the pods of the Sentinels restart")
	}
	if after.Sentinels.ConfigMap != nil {
		t.Error("a ConfigMap would be written for nobody")
	}
}

// The hash of the same wishes must stay for ever: it is what every running instance
// has recorded.
func TestTheHashOfTheSameWishesForSentinelsStaysOverVersions(t *testing.T) {
	for spec, want := range map[string]string{
		`{topology: Sentinel}`: "44136fa355b3678a",
		`{topology: Sentinel, version: "9.1", auth: {secretName: mine}, scheduling: {nodeSelector: {a: b}}, podTemplate: {labels: {a: b}}, sentinel: {restartToken: a, resources: {limits: {memory: 1Gi}}}}`: "7e79cabe2d4a4ca5",
	} {
		got, err := SentinelTemplateHash(instance(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s\nhash %s, want %s: an operator upgrade would restart every such Sentinel", spec, got, want)
		}
	}
}

func TestNothingSelectsServersAndSentinelsAlike(t *testing.T) {
	r := rendered(t, instance(t, `{topology: Sentinel}`), fixed())
	data, sentinels := templates(r)
	servers, theirs := map[string]bool{}, map[string]bool{}
	see := func(what string, selector *metav1.LabelSelector) {
		servers[what] = selects(t, selector, data.Labels) || selects(t, selector, withLabel(data.Labels, v1alpha1.RoleLabel, "primary")) ||
			selects(t, selector, withLabel(data.Labels, v1alpha1.RoleLabel, "replica"))
		theirs[what] = selects(t, selector, sentinels.Labels)
	}
	for _, set := range r.EveryStatefulSet() {
		see("StatefulSet "+set.Name, set.Spec.Selector)
		see("spread of "+set.Name, set.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector)
	}
	for _, b := range r.Budgets {
		see("budget "+b.Name, b.Spec.Selector)
	}
	for _, s := range []*corev1.Service{r.NodesService, r.Sentinels.NodesService, r.Sentinels.Service} {
		see("Service "+s.Name, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
	}
	if len(servers) != 10 {
		t.Errorf("there are %d selectors: %v", len(servers), servers)
	}
	for what, selected := range theirs {
		if want := strings.Contains(what, "sentinel"); selected != want || servers[what] == want {
			t.Errorf("%s selects Sentinels: %t, servers: %t", what, selected, servers[what])
		}
	}
}

func withLabel(labels map[string]string, key, value string) map[string]string {
	out := map[string]string{key: value}
	for k, v := range labels {
		out[k] = v
	}
	return out
}

func TestSentinelsFindEachOtherBeforeTheyAreReadyAndClientsThoseThatAre(t *testing.T) {
	s := rendered(t, instance(t, `{topology: Sentinel}`), fixed()).Sentinels
	if !s.NodesService.Spec.PublishNotReadyAddresses || s.NodesService.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Errorf("the names of Sentinels: %+v", s.NodesService.Spec)
	}
	if s.Service.Spec.PublishNotReadyAddresses || s.Service.Spec.ClusterIP != "" {
		t.Errorf("where clients ask: %+v", s.Service.Spec)
	}
	if s.StatefulSet.Spec.ServiceName != s.NodesService.Name {
		t.Errorf("the pods have their names from %s", s.StatefulSet.Spec.ServiceName)
	}
}

func TestEvictionsLeaveEnoughSentinelsToFailOver(t *testing.T) {
	sentinelsThatExist := func(n int32) map[string]*appsv1.StatefulSet {
		return found(&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "cart-sentinel"}, Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(n)}})
	}
	for _, c := range []struct {
		name, spec string
		exist      map[string]*appsv1.StatefulSet
		want       int
	}{
		{"three", ``, nil, 2},
		{"three that exist", ``, sentinelsThatExist(3), 2},
		{"five", `replicas: 5`, nil, 3},
		{"a higher quorum", `replicas: 5, quorum: 4`, nil, 4},
		{"five become three: those that leave still vote", ``, sentinelsThatExist(5), 3},
		{"three become five: until then nobody may go", `replicas: 5`, sentinelsThatExist(3), 3},
	} {
		in := fixed()
		in.StatefulSets = c.exist
		budgets := rendered(t, instance(t, `{topology: Sentinel, sentinel: {`+c.spec+`}}`), in).Budgets
		if got := budgets[len(budgets)-1]; got.Name != "cart-sentinel" || got.Spec.MinAvailable.IntValue() != c.want {
			t.Errorf("%s: budget %s keeps %v, want %d", c.name, got.Name, got.Spec.MinAvailable, c.want)
		}
	}
}

func TestServersUnderSentinelsBootAsNobodysChoiceAndTellTheirNames(t *testing.T) {
	hasLines(t, conf(t, `{topology: Sentinel}`), []string{"replicaof 127.0.0.1 1", "replica-priority 0"}, nil)
	hasLines(t, conf(t, `{topology: Replication}`), []string{"replicaof 127.0.0.1 1"}, []string{"replica-priority 0"})
	data, sentinels := templates(rendered(t, instance(t, `{topology: Sentinel}`), fixed()))
	c := data.Spec.Containers[0]
	want := []string{"valkey-server", "/etc/valkey/valkey.conf", "--replica-announce-ip", "$(POD_NAME).cart-nodes.shop.svc.cluster.local"}
	if !slices.Equal(c.Command, want) || c.Env[0].Name != "POD_NAME" {
		t.Errorf("a server is started with %v and %v", c.Command, c.Env)
	}
	// What Sentinels make a server write is gone at its next start: it has no place.
	for _, m := range c.VolumeMounts {
		if strings.HasPrefix(c.Command[1], m.MountPath+"/") != m.ReadOnly {
			t.Errorf("%s is read only: %t", m.MountPath, m.ReadOnly)
		}
	}
	if len(sentinels.Spec.ReadinessGates) != 0 || len(data.Spec.ReadinessGates) != 1 {
		t.Errorf("readiness gates of Sentinels %v, of servers %v", sentinels.Spec.ReadinessGates, data.Spec.ReadinessGates)
	}
	// A name that the DNS does not answer for stops whoever looks for it.
	for _, spec := range []corev1.PodSpec{data.Spec, sentinels.Spec} {
		if spec.DNSConfig == nil || *spec.DNSConfig.Options[0].Value != "1" {
			t.Errorf("names are looked for with %+v", spec.DNSConfig)
		}
	}
}

func TestSentinelsAreTheirPodsAndKnowNobody(t *testing.T) {
	v := instance(t, `{topology: Sentinel, sentinel: {primaryName: shop, quorum: 2}}`)
	r := rendered(t, v, fixed())
	text := r.Sentinels.ConfigMap.Data[sentinelConfFile]
	if strings.Contains(text, "monitor") || strings.Contains(text, "shop") {
		t.Errorf("a Sentinel that has lost what it knew would vote:\n%s", text)
	}
	hasLines(t, strings.Split(text, "\n"), []string{"sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"}, nil)
	_, template := templates(r)
	env := map[string]string{}
	for _, e := range template.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	if env["ANNOUNCE_HOSTNAME"] != v.SentinelHostname("$(POD_NAME)")+".cluster.local" || env["ID_PREFIX"]+"02" != v.SentinelID(2) {
		t.Errorf("they are told %v", env)
	}
}

func TestWhoKnowsWhichUsersUnderSentinels(t *testing.T) {
	secret := rendered(t, instance(t, `{topology: Sentinel}`), fixed()).SystemSecret
	for file, users := range map[string][]string{
		aclFile:         {"default", "valkeeper", "replication", "sentinel", "valkeeper-stop"},
		sentinelACLFile: {"default", "valkeeper", "sentinel"},
	} {
		var got []string
		for line := range strings.Lines(string(secret.Data[file])) {
			got = append(got, strings.Fields(line)[1])
			if strings.Contains(line, "password") {
				t.Errorf("a password stands in %s", file)
			}
		}
		if !slices.Equal(got, users) {
			t.Errorf("%s knows %v, want %v", file, got, users)
		}
	}
	open := string(rendered(t, instance(t, `{topology: Sentinel, auth: {enabled: false}}`), fixed()).SystemSecret.Data[sentinelACLFile])
	clients, others, _ := strings.Cut(open, "\n")
	if !strings.Contains(clients, " nopass ") || strings.Contains(others, "nopass") || strings.Contains(clients, "+@all") {
		t.Errorf("wrong way in:\n%s", open)
	}
	for _, spec := range []string{`{topology: Replication}`, `{topology: Cluster}`} {
		data := rendered(t, instance(t, spec), fixed()).SystemSecret.Data
		if _, there := data[v1alpha1.SentinelPasswordKey]; there || strings.Contains(string(data[aclFile]), "user sentinel ") {
			t.Errorf("%s: there is a user for Sentinels", spec)
		}
	}
}
