package act

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers"
)

const (
	shard    = "cart"
	loopback = "127.0.0.1:0"
)

// world is an instance on a fake API server that takes down what it is asked.
type world struct {
	*Actor
	api client.WithWatch
	// asked are the requests that change something, in order.
	asked []string
	// bodies are what they carried.
	bodies []string
	// refuse is the answer to each eviction, patch or apply of that name.
	refuse  map[string]error
	evicted []*policyv1.Eviction
	looks   int
	// now is what a fresh look leads to.
	now  model.Plan
	seen model.Snapshot
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{refuse: map[string]error{}}
	w.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&corev1.Pod{}).Build()
	w.Actor = &Actor{
		Client: interceptor.NewClient(w.api, w.intercept()), Servers: servers.NewPool(), Turns: NewTurns(),
		Creds:  servers.Credentials{Username: v1alpha1.OperatorUser, Password: "secret"},
		Valkey: &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: shard, UID: "cart-uid"}},
		Replan: func(context.Context) (model.Snapshot, model.Plan, error) {
			w.looks++
			return w.seen, w.now, nil
		},
	}
	t.Cleanup(func() { w.Servers.Keep("shop/cart", nil) })
	return w
}

func (w *world) take(what, body string) error {
	w.asked, w.bodies = append(w.asked, what), append(w.bodies, body)
	return w.refuse[what]
}

func (w *world) intercept() interceptor.Funcs {
	return interceptor.Funcs{
		Apply: func(_ context.Context, _ client.WithWatch, obj runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			named := obj.(interface {
				GetKind() string
				GetName() string
			})
			body, err := json.Marshal(obj)
			if err != nil {
				return err
			}
			return w.take("apply "+named.GetKind()+" "+named.GetName(), string(body))
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			body, err := patch.Data(obj)
			if err == nil {
				err = w.take("patch "+obj.GetName(), string(body))
			}
			if err != nil {
				return err
			}
			return c.Patch(ctx, obj, patch, opts...)
		},
		SubResourcePatch: func(_ context.Context, _ client.Client, sub string, obj client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
			body, err := patch.Data(obj)
			if err != nil {
				return err
			}
			return w.take("patch "+obj.GetName()+"/"+sub, string(body))
		},
		SubResourceCreate: func(_ context.Context, _ client.Client, sub string, obj, body client.Object, _ ...client.SubResourceCreateOption) error {
			if eviction, ok := body.(*policyv1.Eviction); ok {
				w.evicted = append(w.evicted, eviction)
			}
			return w.take("create "+obj.GetName()+"/"+sub, "")
		},
	}
}

// planned makes a step what a fresh look leads to as well.
func (w *world) planned(step model.Step) model.Step {
	w.now = model.Plan{Steps: map[string]model.Step{shard: step}}
	return step
}

func ref(ordinal int) model.Ref {
	return model.Ref{Name: fmt.Sprintf("cart-%d", ordinal), UID: fmt.Sprintf("uid-%d", ordinal),
		Address: fmt.Sprintf("10.0.0.%d:6379", ordinal+1)}
}

func pod(ordinal int) *corev1.Pod {
	r := ref(ordinal)
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: r.Name, UID: types.UID(r.UID)}}
}

func set(owner *v1alpha1.Valkey, size int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: shard, OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))}},
		Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(size)},
	}
}
