package controller

import (
	"context"
	"errors"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// ErrForeign: an object that bears a name which the instance needs is not the
// instance's. It is neither changed nor adopted.
var ErrForeign = errors.New("the name is taken")

// ours is nil for an object that the instance owns.
func (e *Ensurer) ours(v *v1alpha1.Valkey, obj client.Object) error {
	owner := metav1.GetControllerOf(obj)
	if owner != nil && owner.UID == v.UID {
		return nil
	}
	kind := "object"
	if gvk, err := apiutil.GVKForObject(obj, e.client.Scheme()); err == nil {
		kind = gvk.Kind
	}
	if owner != nil && owner.Kind == v1alpha1.Kind && owner.Name == v.Name {
		return fmt.Errorf("%w: %s %s/%s is left over from an earlier Valkey of that name, and is about to be removed with it",
			ErrForeign, kind, obj.GetNamespace(), obj.GetName())
	}
	advice := "remove it, or choose another name for the Valkey"
	if obj.GetName() == v.AuthSecretName() {
		advice += ", or name it in spec.auth.secretName"
	}
	return fmt.Errorf("%w: %s %s/%s exists and does not belong to this Valkey: %s",
		ErrForeign, kind, obj.GetNamespace(), obj.GetName(), advice)
}

// find reads an object of the kind and name of like into a new one; nil when
// there is none. One that is not in the cache is looked for past it: the cache
// holds what bears our labels, and the name may be taken by somebody else.
func (e *Ensurer) find(ctx context.Context, like client.Object) (client.Object, error) {
	gvk, err := apiutil.GVKForObject(like, e.client.Scheme())
	if err != nil {
		return nil, err
	}
	for _, reader := range []client.Reader{e.client, e.live} {
		empty, err := e.client.Scheme().New(gvk)
		if err != nil {
			return nil, err
		}
		found := empty.(client.Object) //nolint:forcetypeassert // it is of the same type as like
		err = reader.Get(ctx, client.ObjectKeyFromObject(like), found)
		if err == nil {
			return found, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("read %s %s/%s: %w", gvk.Kind, like.GetNamespace(), like.GetName(), err)
		}
	}
	return nil, nil
}

// oursOrNone is an error when one of the EndpointSlices that act will write is
// there and somebody else's.
func (e *Ensurer) oursOrNone(ctx context.Context, v *v1alpha1.Valkey) error {
	if v.Spec.IsCluster() {
		return nil // Kubernetes writes those of its Services
	}
	for _, name := range []string{v.PrimaryServiceName(), v.ReplicasServiceName()} {
		slice := &discoveryv1.EndpointSlice{}
		err := e.client.Get(ctx, client.ObjectKey{Namespace: v.Namespace, Name: name}, slice)
		if apierrors.IsNotFound(err) {
			continue // every slice is in the cache
		}
		if err != nil {
			return fmt.Errorf("read EndpointSlice %s/%s: %w", v.Namespace, name, err)
		}
		if err := e.ours(v, slice); err != nil {
			return err
		}
	}
	return nil
}
