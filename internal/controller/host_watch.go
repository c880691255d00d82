package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/valkeeper/valkeeper/internal/observe"
)

// hostNews is how many changes of hosts may wait for their instances to be looked at.
// More are dropped: every instance is looked at every few seconds anyhow.
const hostNews = 1024

// hostsPatience is how long an operator that starts waits to hear of the hosts that there
// are. One that does not know yet would take a primary back to a host that is drained, or
// away the node that is to take over from it; one that may not know must start all the same.
const hostsPatience = 5 * time.Second

// HostWatch watches the hosts of the Kubernetes cluster for one thing: whether primaries are
// to leave them, or they shut down. It has a cache of its own, because one that may not be filled, where the
// operator has no right to watch nodes, would keep all others from starting.
type HostWatch struct {
	Evacuations *observe.Evacuations
	calm        *Calm
	news        chan event.GenericEvent
	heard       func() bool // of all hosts that there were when the watch began
}

// NewHostWatch has heard of none yet. It warns calm of hosts that are to be left.
func NewHostWatch(calm *Calm) *HostWatch {
	return &HostWatch{Evacuations: observe.NewEvacuations(), calm: calm, news: make(chan event.GenericEvent, hostNews)}
}

// watch begins with the manager, whether it leads or not.
func (h *HostWatch) watch(ctx context.Context, mgr ctrl.Manager) error {
	hosts, err := cache.New(mgr.GetConfig(), cache.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{&corev1.Node{}: {Transform: stripHost}}})
	if err != nil {
		return fmt.Errorf("make a cache of nodes: %w", err)
	}
	informer, err := hosts.GetInformer(ctx, &corev1.Node{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch nodes: %w", err)
	}
	registration, err := informer.AddEventHandler(h.handler())
	if err != nil {
		return fmt.Errorf("listen to nodes: %w", err)
	}
	h.heard = registration.HasSynced
	return mgr.Add(everywhere{hosts.Start})
}

// everywhere runs on operators that do not lead as well: one that begins to lead knows
// its hosts.
type everywhere struct{ manager.RunnableFunc }

// NeedLeaderElection is false.
func (everywhere) NeedLeaderElection() bool { return false }

func (h *HostWatch) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    h.hear,
		UpdateFunc: func(_, now any) { h.hear(now) },
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if host, ok := obj.(*corev1.Node); ok {
				h.note(host, observe.Departure{}) // whether it is lost is another question (observe.LostHosts)
			}
		},
	}
}

func (h *HostWatch) hear(obj any) {
	if host, ok := obj.(*corev1.Node); ok {
		h.note(host, observe.DepartureOf(host))
	}
}

func (h *HostWatch) note(host *corev1.Node, now observe.Departure) {
	if !h.Evacuations.Note(host.Name, now) {
		return
	}
	if now != (observe.Departure{}) {
		h.calm.Expect()
	}
	select {
	case h.news <- event.GenericEvent{Object: host}:
	default:
	}
}

// source leads from a host of which there is news to the instances that have pods there.
func (h *HostWatch) source(pods client.Reader) source.Source {
	return patient{h.heard, source.Channel(h.news, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, host client.Object) []reconcile.Request {
		return instancesOn(ctx, pods, host.GetName())
	}))}
}

// patient is a source before which no instance is looked at until something has been heard.
type patient struct {
	heard func() bool
	source.Source
}

// WaitForSync waits, but not for ever.
func (p patient) WaitForSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hostsPatience)
	defer cancel()
	toolscache.WaitForCacheSync(ctx.Done(), p.heard)
	return nil
}

// instancesOn names each instance that has a pod on a host once. The pods come from a cache
// that holds ours alone.
func instancesOn(ctx context.Context, pods client.Reader, host string) []reconcile.Request {
	list := &corev1.PodList{}
	if pods.List(ctx, list) != nil {
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		if list.Items[i].Spec.NodeName != host {
			continue
		}
		for _, r := range instanceOfPod(ctx, &list.Items[i]) {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// stripHost keeps of a host what a departure is read from: there may be thousands, and
// each tells of its images and conditions all day.
func stripHost(obj any) (any, error) {
	host, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: host.Name, UID: host.UID, ResourceVersion: host.ResourceVersion,
			Annotations: observe.EvacuationOf(host.Annotations), DeletionTimestamp: host.DeletionTimestamp},
		Spec:   corev1.NodeSpec{Unschedulable: host.Spec.Unschedulable, Taints: host.Spec.Taints},
		Status: corev1.NodeStatus{Conditions: observe.ShutdownOf(host)},
	}, nil
}
