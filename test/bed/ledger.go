package bed

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/test/ledger/report"
)

// Ledger is a pod that writes to an instance all the time and keeps the books.
type Ledger struct {
	instance *Instance
	pod      string
}

// Load is how much a ledger writes.
type Load struct {
	Writers int
	// Rate is writes a second, of all writers together.
	Rate int
	// Host pins the ledger to a host, when set.
	Host string
	// Expect is how many replicas must be read back at least, of each shard.
	Expect int32
	// Practice is whose way of changing things it is, if not the operator's: it stands
	// in the report in the strategy's place.
	Practice string
}

// Measured is enough load to measure gaps of milliseconds, Light enough to find
// what was lost without taking the machine from others.
var (
	Measured = Load{Writers: 16, Rate: 2000}
	Light    = Load{Writers: 4, Rate: 200}
)

// Expecting is the same load, with so many replicas to be read back of each shard.
func (l Load) Expecting(replicas int32) Load {
	l.Expect = replicas
	return l
}

const ledgerPort = 8080

// Write starts a ledger on the instance, and waits until its writes are
// acknowledged. There is at most one for each instance at a time.
func (i *Instance) Write(ctx context.Context, load Load) (*Ledger, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return nil, err
	}
	return i.writeTo(ctx, v, load)
}

// writeTo starts a ledger on what has the names of an instance.
func (i *Instance) writeTo(ctx context.Context, v *v1alpha1.Valkey, load Load) (*Ledger, error) {
	l := &Ledger{instance: i, pod: i.Name + "-ledger"}
	for _, o := range append(l.access(), l.newPod(v, load)) {
		if err := i.Cluster.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("start the ledger: %w", err)
		}
	}
	err := Await(ctx, 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := l.Progress(ctx)
		return p.Acknowledged > 0, fmt.Sprintf("no write is acknowledged: %+v", p), err
	})
	if err != nil {
		return nil, fmt.Errorf("the ledger of %s: %w", i.Name, err)
	}
	return l, nil
}

// access lets the ledger see the pods.
func (l *Ledger) access() []client.Object {
	named := metav1.ObjectMeta{Namespace: l.instance.Namespace, Name: "ledger"}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: named},
		&rbacv1.Role{ObjectMeta: named, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: named,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "ledger"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: l.instance.Namespace, Name: "ledger"}},
		},
	}
}

func (l *Ledger) newPod(v *v1alpha1.Valkey, load Load) *corev1.Pod {
	i := l.instance
	args := []string{
		"run", "--listen", ":" + strconv.Itoa(ledgerPort),
		"--addr", fmt.Sprintf("%s.%s:%d", entrance(v), i.Namespace, v1alpha1.Port),
		"--writers", strconv.Itoa(load.Writers), "--rate", strconv.Itoa(load.Rate),
		"--kube", "--namespace", i.Namespace, "--selector", metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: v.PodSelector()}),
		"--topology", string(v.Spec.Topology), "--strategy", cmp.Or(load.Practice, string(v.Spec.Rollout.StrategyOrDefault())),
		"--expect-replicas", strconv.Itoa(int(load.Expect)),
	}
	args = append(args, sentinelArgs(v)...)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: i.Namespace, Name: l.pod, Labels: map[string]string{"app.kubernetes.io/name": "ledger"}},
		Spec: corev1.PodSpec{
			ServiceAccountName: "ledger", RestartPolicy: corev1.RestartPolicyNever, NodeName: load.Host,
			TerminationGracePeriodSeconds: ptr.To[int64](1),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "ledger", Image: i.Cluster.Settings.Ledger, Args: args,
				Env: []corev1.EnvVar{
					clientsPassword(v, "LEDGER_PASSWORD"), clientsPassword(v, "LEDGER_SENTINEL_PASSWORD"),
				},
				Ports: []corev1.ContainerPort{{Name: "control", ContainerPort: ledgerPort}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// entrance is the Service that writers connect to.
func entrance(v *v1alpha1.Valkey) string {
	if v.Spec.IsCluster() {
		return v.ClusterServiceName()
	}
	return v.PrimaryServiceName()
}

// sentinelArgs let every second writer ask the instance's Sentinels, if it has any,
// which are named one by one as the documentation advises.
func sentinelArgs(v *v1alpha1.Valkey) []string {
	var args []string
	for k := range v.Spec.SentinelCount() {
		host := v.SentinelHostname(fmt.Sprintf("%s-%d", v.SentinelName(), k))
		args = append(args, "--sentinel", fmt.Sprintf("%s:%d", host, v1alpha1.SentinelPort))
	}
	if len(args) > 0 {
		args = append(args, "--sentinel-name", v.Spec.Sentinel.PrimaryNameOrDefault())
	}
	return args
}

// clientsPassword is the password of applications, which is the same one for servers
// and Sentinels.
func clientsPassword(v *v1alpha1.Valkey, variable string) corev1.EnvVar {
	return corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: v.AuthSecretName()}, Key: v1alpha1.PasswordKey,
	}}}
}

// Progress is how far a ledger is.
type Progress struct {
	Acknowledged int64          `json:"acknowledged"`
	PerSecond    int64          `json:"acknowledgedPerSecond"`
	Errors       map[string]int `json:"errors"`
	LongestGapMs float64        `json:"longestGapMs"`
	WaitingMs    float64        `json:"waitingMs"`
	Pod          string         `json:"pod"`
}

// Progress asks how far the ledger is.
func (l *Ledger) Progress(ctx context.Context) (Progress, error) {
	var p Progress
	return p, l.ask(ctx, "progress", nil, &p)
}

// AwaitWrites waits until so many more writes have been acknowledged.
func (l *Ledger) AwaitWrites(ctx context.Context, more int64) error {
	first, err := l.Progress(ctx)
	if err != nil {
		return err
	}
	return Await(ctx, 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := l.Progress(ctx)
		return p.Acknowledged-first.Acknowledged >= more, fmt.Sprintf("%+v", p), err
	})
}

// AwaitServed waits until no writer has been waiting for long. A client library may hang at an
// address that has vanished for as long as its own timeouts and retries take, after the
// shard has long been served again.
func (l *Ledger) AwaitServed(ctx context.Context) error {
	return Await(ctx, 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := l.Progress(ctx)
		return p.WaitingMs < waitsLong, fmt.Sprintf("a writer has been waiting for %.0f ms: %+v", p.WaitingMs, p), err
	})
}

// waitsLong, in ms, is longer than any acknowledgement takes that comes.
const waitsLong = 2000

// Mark names this moment: a roll begins.
func (l *Ledger) Mark(ctx context.Context, name string) error {
	return l.ask(ctx, "mark", map[string]string{"name": name}, nil)
}

// Note names this moment and nothing else.
func (l *Ledger) Note(ctx context.Context, name string) error {
	return l.ask(ctx, "mark", map[string]string{"name": name, "note": "1"}, nil)
}

// Stop ends the writing, reads everything back, and removes the ledger.
func (l *Ledger) Stop(ctx context.Context) (report.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var all report.Report
	if err := l.ask(ctx, "stop", nil, &all); err != nil {
		return report.Run{}, err
	}
	if len(all.Runs) != 1 {
		return report.Run{}, fmt.Errorf("the ledger's report holds %d runs, not one", len(all.Runs))
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: l.instance.Namespace, Name: l.pod}}
	return all.Runs[0], l.instance.Cluster.Delete(ctx, pod, client.GracePeriodSeconds(0))
}

// ask reaches the ledger's control server through the API server.
func (l *Ledger) ask(ctx context.Context, path string, params map[string]string, into any) error {
	request := l.instance.Cluster.Kube.CoreV1().RESTClient().Get().Namespace(l.instance.Namespace).
		Resource("pods").Name(fmt.Sprintf("%s:%d", l.pod, ledgerPort)).SubResource("proxy").Suffix(path)
	for name, value := range params {
		request.Param(name, value)
	}
	raw, err := request.DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("ask the ledger for %s: %w", path, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}
