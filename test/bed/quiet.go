package bed

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Versions are the resource versions of everything that instances in a namespace
// consist of, of the resources themselves, and of their events: whoever writes
// any of it changes them.
func (c *Cluster) Versions(ctx context.Context, namespace string) (map[string]string, error) {
	out := map[string]string{}
	for _, list := range append(ownedLists(), &v1alpha1.ValkeyList{}, &eventsv1.EventList{}) {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		if err := meta.EachListItem(list, func(o runtimeObject) error {
			one := o.(client.Object)
			out[fmt.Sprintf("%T %s", o, one.GetName())] = one.GetResourceVersion()
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Usage is what an operator has used so far.
type Usage struct {
	MemoryBytes, CPUSeconds float64
}

// OperatorUsage asks each operator's metrics, by pod.
func (c *Cluster) OperatorUsage(ctx context.Context) (map[string]Usage, error) {
	pods, err := c.OperatorPods(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]Usage{}
	for _, p := range pods {
		raw, err := c.Kube.CoreV1().RESTClient().Get().Namespace(p.Namespace).Resource("pods").
			Name(p.Name + ":8080").SubResource("proxy").Suffix("metrics").DoRaw(ctx)
		if err != nil {
			return nil, fmt.Errorf("metrics of %s: %w", p.Name, err)
		}
		out[p.Name] = Usage{
			MemoryBytes: metric(string(raw), "process_resident_memory_bytes"),
			CPUSeconds:  metric(string(raw), "process_cpu_seconds_total"),
		}
	}
	return out, nil
}

// metric is the value of a metric without labels, 0 if there is none.
func metric(text, name string) float64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			number, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return number
		}
	}
	return 0
}
