package bed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Diagnose writes what there is to know of a namespace into a folder, and
// returns the short of it: the instances, the newest events, and what the
// operator said last of this namespace.
func (c *Cluster) Diagnose(ctx context.Context, namespace, folder string, since time.Time) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	d := diagnosis{cluster: c, namespace: namespace, folder: folder}
	short := []string{d.instances(ctx)}
	short = append(short, "pods:", d.pods(ctx))
	short = append(short, "newest events:", tail(d.events(ctx), 30))
	short = append(short, "the operator's last words:", tail(d.operator(ctx, since), 8))
	return strings.Join(append(short, "all of it is in "+folder), "\n"), errors.Join(d.errs...)
}

type diagnosis struct {
	cluster           *Cluster
	namespace, folder string
	errs              []error
}

// keep writes a file for who looks closer.
func (d *diagnosis) keep(name, text string, err error) {
	d.errs = append(d.errs, err, os.WriteFile(filepath.Join(d.folder, name), []byte(text), 0o644))
}

func (d *diagnosis) instances(ctx context.Context) string {
	var list v1alpha1.ValkeyList
	err := d.cluster.List(ctx, &list, client.InNamespace(d.namespace))
	var short, long strings.Builder
	for _, v := range list.Items {
		v.ManagedFields = nil
		raw, yamlErr := yaml.Marshal(v)
		err = errors.Join(err, yamlErr)
		long.Write(raw)
		long.WriteString("---\n")
		fmt.Fprintf(&short, "%s: %s\n", v.Name, Summary(&v))
		d.servers(ctx, v.Name)
	}
	d.keep("instances.yaml", long.String(), err)
	return short.String()
}

// servers keeps what the servers themselves say. One that does not answer is told
// of among the pods.
func (d *diagnosis) servers(ctx context.Context, instance string) {
	i := &Instance{Cluster: d.cluster, Namespace: d.namespace, Name: instance}
	said, err := i.servers(ctx)
	for pod, text := range said {
		d.keep(pod+".server.txt", text, nil)
	}
	if err != nil {
		d.keep(instance+".unanswered.txt", err.Error(), nil)
	}
}

func (d *diagnosis) pods(ctx context.Context) string {
	var list corev1.PodList
	err := d.cluster.List(ctx, &list, client.InNamespace(d.namespace))
	var short, long strings.Builder
	for _, p := range list.Items {
		p.ManagedFields = nil
		raw, yamlErr := yaml.Marshal(p)
		err = errors.Join(err, yamlErr)
		long.Write(raw)
		long.WriteString("---\n")
		fmt.Fprintf(&short, "%s on %s, %s:", p.Name, p.Spec.NodeName, p.Status.Phase)
		for _, c := range p.Status.Conditions {
			if c.Status != corev1.ConditionTrue {
				fmt.Fprintf(&short, " %s=%s %s %s;", c.Type, c.Status, c.Reason, c.Message)
			}
		}
		short.WriteString("\n")
		log, logErr := d.cluster.Kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{TailLines: ptr.To[int64](500)}).DoRaw(ctx)
		if logErr == nil { // a pod that never started has none
			d.keep(p.Name+".log", string(log), nil)
		}
	}
	d.keep("pods.yaml", long.String(), err)
	return short.String()
}

func (d *diagnosis) events(ctx context.Context) string {
	var out strings.Builder
	list, err := d.cluster.Kube.EventsV1().Events(d.namespace).List(ctx, metav1.ListOptions{})
	if err == nil {
		slices.SortFunc(list.Items, func(a, b eventOf) int { return cmp.Compare(eventTime(a).UnixMicro(), eventTime(b).UnixMicro()) })
		for _, e := range list.Items {
			fmt.Fprintf(&out, "%s %-7s %-18s %s/%s: %.300s\n", eventTime(e).Format("15:04:05"), e.Type, e.Reason, e.Regarding.Kind, e.Regarding.Name, e.Note)
		}
	}
	d.keep("events.txt", out.String(), err)
	return out.String()
}

// operator is what the operator said of this namespace.
func (d *diagnosis) operator(ctx context.Context, since time.Time) string {
	log, err := d.cluster.OperatorLog(ctx, since)
	d.keep("operator.log", log, err)
	var ours strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, d.namespace) {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
