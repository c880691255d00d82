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
// returns the short of it: the instances, the events, and what the operator
// said of this namespace.
func (c *Cluster) Diagnose(ctx context.Context, namespace, folder string, since time.Time) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	d := diagnosis{cluster: c, namespace: namespace, folder: folder}
	d.section("instances", func() (string, error) { return d.instances(ctx) })
	d.section("pods", func() (string, error) { return d.pods(ctx) })
	d.section("events", func() (string, error) { return d.events(ctx) })
	d.section("operator", func() (string, error) {
		log, err := c.OperatorLog(ctx, since)
		return log, err
	})
	return d.short(), errors.Join(d.errs...)
}

type diagnosis struct {
	cluster           *Cluster
	namespace, folder string
	texts             []string
	errs              []error
}

func (d *diagnosis) section(name string, tell func() (string, error)) {
	text, err := tell()
	if err != nil {
		d.errs = append(d.errs, fmt.Errorf("%s: %w", name, err))
	}
	d.errs = append(d.errs, os.WriteFile(filepath.Join(d.folder, name+".txt"), []byte(text), 0o644))
	if name == "operator" {
		text = tail(linesWith(text, d.namespace), 60)
	}
	d.texts = append(d.texts, fmt.Sprintf("---- %s\n%s", name, text))
}

func (d *diagnosis) short() string {
	return strings.Join(d.texts, "\n") + "\n(all of it is in " + d.folder + ")"
}

func (d *diagnosis) instances(ctx context.Context) (string, error) {
	var list v1alpha1.ValkeyList
	if err := d.cluster.List(ctx, &list, client.InNamespace(d.namespace)); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, v := range list.Items {
		v.ManagedFields = nil
		raw, err := yaml.Marshal(v)
		if err != nil {
			return "", err
		}
		out.Write(raw)
	}
	return out.String(), nil
}

func (d *diagnosis) pods(ctx context.Context) (string, error) {
	var list corev1.PodList
	if err := d.cluster.List(ctx, &list, client.InNamespace(d.namespace)); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, p := range list.Items {
		fmt.Fprintf(&out, "%s on %s, %s, ip %s, labels %v\n", p.Name, p.Spec.NodeName, p.Status.Phase, p.Status.PodIP, p.Labels)
		for _, c := range p.Status.Conditions {
			fmt.Fprintf(&out, "  %s=%s %s %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
		for _, s := range p.Status.ContainerStatuses {
			fmt.Fprintf(&out, "  %s: ready %t, %d restarts, %+v\n", s.Name, s.Ready, s.RestartCount, s.State)
		}
		raw, err := d.cluster.Kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{TailLines: ptr.To[int64](200)}).DoRaw(ctx)
		if err == nil {
			_ = os.WriteFile(filepath.Join(d.folder, "log-"+p.Name+".txt"), raw, 0o644)
		}
	}
	return out.String(), nil
}

func (d *diagnosis) events(ctx context.Context) (string, error) {
	list, err := d.cluster.Kube.EventsV1().Events(d.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	events := list.Items
	slices.SortFunc(events, func(a, b eventOf) int { return cmp.Compare(eventTime(a).UnixMicro(), eventTime(b).UnixMicro()) })
	var out strings.Builder
	for _, e := range events {
		fmt.Fprintf(&out, "%s %-7s %-18s %s/%s: %s\n", eventTime(e).Format("15:04:05"), e.Type, e.Reason, e.Regarding.Kind, e.Regarding.Name, e.Note)
	}
	return out.String(), nil
}

func linesWith(text, word string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			out.WriteString(line)
		}
	}
	return out.String()
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
