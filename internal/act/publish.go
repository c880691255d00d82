package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/apply"
	"github.com/valkeeper/valkeeper/internal/failpoint"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/render"
)

// publish writes the primary's endpoint first: clients come before budgets.
func (a *Actor) publish(ctx context.Context, s model.Publish) error {
	if err := a.route(ctx, s); err != nil {
		return err
	}
	ordered := primariesFirst(s.Nodes)
	for _, n := range ordered {
		if err := a.label(ctx, n); err != nil {
			return err
		}
	}
	failpoint.Reach(failpoint.PublishLabelled)
	// A budget's controller counts anew when a pod that it selects changes, and not when
	// one stops being selected (kubernetes 1.37 pkg/controller/disruption updatePod). For a
	// moment two pods had the primary's label: the last change has to be the primary's, or
	// its budget would go on thinking that there is one to spare.
	slices.Reverse(ordered)
	for _, n := range ordered {
		if err := a.putInService(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// route leads the Services to who is who. No Service of a cluster leads to a role:
// its clients ask the servers.
func (a *Actor) route(ctx context.Context, s model.Publish) error {
	if a.Valkey.Spec.IsCluster() {
		return nil
	}
	if err := a.routePrimary(ctx, s.Primary); err != nil {
		return err
	}
	if err := a.routeReplicas(ctx, s.Replicas); err != nil {
		return err
	}
	failpoint.Reach(failpoint.PublishSliced)
	return nil
}

// primariesFirst orders the labels so that the primary's budget always has a
// pod to protect.
func primariesFirst(nodes []model.Publication) []model.Publication {
	var first, rest []model.Publication
	for _, n := range nodes {
		if n.Role == model.RolePrimary {
			first = append(first, n)
		} else {
			rest = append(rest, n)
		}
	}
	return append(first, rest...)
}

// routePrimary makes the primary Service lead to a pod, in one write of its
// slice: never to two.
func (a *Actor) routePrimary(ctx context.Context, to model.Ref) error {
	e, err := endpoint(to)
	if err != nil {
		return err
	}
	return apply.Object(ctx, a.Client, render.PrimarySlice(a.Valkey, &e))
}

// reroutePrimary changes nothing but where the slice leads: the API server has less to
// do for that than for a declaration of the whole object, and writes wait meanwhile. A
// slice that is not there any more is declared anew.
func (a *Actor) reroutePrimary(ctx context.Context, to model.Ref) error {
	e, err := endpoint(to)
	if err != nil {
		return err
	}
	slice := render.PrimarySlice(a.Valkey, &e)
	body, err := json.Marshal(map[string]any{"endpoints": slice.Endpoints})
	if err != nil {
		return err
	}
	err = a.Client.Patch(ctx, slice, client.RawPatch(types.MergePatchType, body), client.FieldOwner(apply.FieldOwner))
	switch {
	case apierrors.IsNotFound(err):
		return a.routePrimary(ctx, to)
	case err != nil:
		return fmt.Errorf("lead EndpointSlice %s/%s to %s: %w", slice.Namespace, slice.Name, to.Name, err)
	}
	return nil
}

// routeReplicas makes the replicas' Service lead to these pods. A topology
// without replicas has no such Service.
func (a *Actor) routeReplicas(ctx context.Context, to []model.Ref) error {
	if len(to) == 0 {
		return nil
	}
	endpoints := make([]render.Endpoint, 0, len(to))
	for _, ref := range to {
		e, err := endpoint(ref)
		if err != nil {
			return err
		}
		endpoints = append(endpoints, e)
	}
	return apply.Object(ctx, a.Client, render.ReplicaSlice(a.Valkey, endpoints))
}

func endpoint(ref model.Ref) (render.Endpoint, error) {
	host, _, err := splitAddress(ref.Address)
	return render.Endpoint{IP: host, Pod: ref.Name, UID: ref.UID}, err
}

// label writes one pod's label and drain mark.
func (a *Actor) label(ctx context.Context, n model.Publication) error {
	meta := map[string]any{"uid": n.Node.UID}
	if n.Role != model.RoleUnknown {
		meta["labels"] = map[string]any{v1alpha1.RoleLabel: n.Role.String()}
	}
	if n.EndDrain {
		meta["annotations"] = map[string]any{v1alpha1.DrainingSinceAnnotation: nil}
	}
	if len(meta) == 1 {
		return nil
	}
	return a.patchPod(ctx, n.Node, map[string]any{"metadata": meta}, false)
}

// putInService writes one pod's readiness gate.
func (a *Actor) putInService(ctx context.Context, n model.Publication) error {
	return a.patchPod(ctx, n.Node, map[string]any{
		"metadata": map[string]any{"uid": n.Node.UID},
		"status":   map[string]any{"conditions": []map[string]any{gate(n)}},
	}, true)
}

func gate(n model.Publication) map[string]any {
	status, reason := corev1.ConditionFalse, "NotSynced"
	if n.InService {
		status, reason = corev1.ConditionTrue, "Synced"
		if n.Role == model.RolePrimary {
			reason = "Primary"
		}
	}
	return map[string]any{
		"type": v1alpha1.InServiceGate, "status": string(status), "reason": reason,
		"lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339),
	}
}

// patchPod carries the pod's UID along: a pod of the same name that has taken
// its place meanwhile is left alone.
func (a *Actor) patchPod(ctx context.Context, ref model.Ref, patch map[string]any, status bool) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: a.Valkey.Namespace, Name: ref.Name}}
	raw := client.RawPatch(types.StrategicMergePatchType, body)
	if status {
		err = a.Client.Status().Patch(ctx, pod, raw)
	} else {
		err = a.Client.Patch(ctx, pod, raw)
	}
	switch {
	case gone(err), anotherPod(err):
		return fmt.Errorf("%w: pod %s: %w", ErrChanged, ref.Name, err)
	case err != nil:
		return fmt.Errorf("patch pod %s/%s: %w", a.Valkey.Namespace, ref.Name, err)
	}
	return nil
}

// anotherPod says that a patch met a pod of the same name with another UID,
// which cannot be changed. Anything else that is invalid is a mistake of ours.
func anotherPod(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == "metadata.uid"
	})
}

func splitAddress(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("address %q of a pod: %w", addr, err)
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}
