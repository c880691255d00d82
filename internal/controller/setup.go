package controller

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	// reconcileTimeout bounds one reconcile: a handover (60 s at most by the schema, and
	// thrice 5 s to settle) and the looks around it. It is there for what should
	// never happen, such as an API server that swallows requests.
	reconcileTimeout = 2 * time.Minute
	// firstRetry and lastRetry bound the wait after an error. controller-runtime's
	// own would grow to a quarter of an hour, in which nobody heals the instance.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// SetUp registers the reconciler and all that it watches. workers is how many
// instances are looked after at the same time.
func (r *Reconciler) SetUp(ctx context.Context, mgr ctrl.Manager, workers int) error {
	if err := r.listenForCalm(ctx, mgr); err != nil {
		return err
	}
	if err := r.HostWatch.watch(ctx, mgr); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Valkey{}, builder.WithPredicates(predicate.Or(
			predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Owns(&appsv1.StatefulSet{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Owns(&discoveryv1.EndpointSlice{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(instanceOfPod)).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(instanceOfPod)).
		WatchesRawSource(source.Channel(r.Sentries.Alarms(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(r.HostWatch.source(mgr.GetClient())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(r)
}

// instanceOfPod leads from the pod of a server or a Sentinel, or its volume claim, to
// its instance, by label: the pods belong to the StatefulSets.
func instanceOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	labels := pod.GetLabels()
	component := labels[v1alpha1.ComponentLabel]
	if labels["app.kubernetes.io/name"] != "valkey" || component != v1alpha1.ComponentData && component != v1alpha1.ComponentSentinel {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: pod.GetNamespace(), Name: labels["app.kubernetes.io/instance"]}}}
}

// listenForCalm hears of every Service and EndpointSlice, ours or not.
func (r *Reconciler) listenForCalm(ctx context.Context, mgr ctrl.Manager) error {
	for _, kind := range []client.Object{&corev1.Service{}, &discoveryv1.EndpointSlice{}} {
		informer, err := mgr.GetCache().GetInformer(ctx, kind)
		if err != nil {
			return fmt.Errorf("watch %T: %w", kind, err)
		}
		if _, err := informer.AddEventHandler(r.Calm.Handler()); err != nil {
			return fmt.Errorf("listen to %T: %w", kind, err)
		}
	}
	return nil
}
