package controller

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
)

const (
	// envKubeconfig names the kubeconfig of a plain API server, which these tests
	// may fill: testbed apiserver start prints one.
	envKubeconfig = "VALKEEPER_APISERVER_KUBECONFIG"
	envRequire    = "VALKEEPER_REQUIRE_SERVERS"
)

func testScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// bench is an Ensurer on a real API server, in a namespace of its own.
type bench struct {
	client.WithWatch
	*Ensurer
	namespace string
	// writes counts the Ensurer's requests that change something.
	writes *atomic.Int64
}

func newBench(t *testing.T) bench {
	t.Helper()
	file := os.Getenv(envKubeconfig)
	if file == "" {
		if os.Getenv(envRequire) == "1" {
			t.Fatalf("%s is not set, and %s=1 asks for an API server: try testbed apiserver start", envKubeconfig, envRequire)
		}
		t.Skipf("no API server: set %s (testbed apiserver start prints the path)", envKubeconfig)
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 500, 500
	c, err := client.NewWithWatch(config, client.Options{Scheme: testScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "controller-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), namespace) })
	b := bench{WithWatch: c, namespace: namespace.Name, writes: &atomic.Int64{}}
	b.Ensurer = b.newEnsurer("registry.example/valkey")
	return b
}

// newEnsurer is that of an operator that has just started.
func (b bench) newEnsurer(repository string) *Ensurer {
	return NewEnsurer(b.ours(), b.WithWatch, render.Site{ImageRepository: repository})
}

// ours counts writes and, as the operator's cache does, sees budgets and
// ConfigMaps only with the operator's label.
func (b bench) ours() client.WithWatch {
	count := b.writes
	return interceptor.NewClient(b.WithWatch, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, obj, opts...)
			kind := fmt.Sprintf("%T", obj)
			filtered := kind == "*v1.ConfigMap" || kind == "*v1.PodDisruptionBudget" || kind == "*v1.StatefulSet"
			if err == nil && filtered && obj.GetLabels()["app.kubernetes.io/managed-by"] != v1alpha1.ManagedBy {
				return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
			}
			return err
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			count.Add(1)
			return c.Create(ctx, obj, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			count.Add(1)
			return c.Apply(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			count.Add(1)
			return c.Patch(ctx, obj, patch, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			count.Add(1)
			return c.Delete(ctx, obj, opts...)
		},
	})
}

// instance is a Valkey named cart, as a user writes it.
func instance(t *testing.T, namespace, spec string) *v1alpha1.Valkey {
	t.Helper()
	v := &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "cart", UID: types.UID("cart-uid"), Generation: 1}}
	if err := yaml.UnmarshalStrict([]byte(spec), &v.Spec); err != nil {
		t.Fatal(err)
	}
	return v
}

func (b bench) ensure(t *testing.T, v *v1alpha1.Valkey) Declared {
	t.Helper()
	declared, err := b.Ensure(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return declared
}

// read gives an object of the namespace.
func read[T client.Object](t *testing.T, b bench, name string, into T) T {
	t.Helper()
	if err := b.Get(t.Context(), client.ObjectKey{Namespace: b.namespace, Name: name}, into); err != nil {
		t.Fatal(err)
	}
	return into
}

func (b bench) has(t *testing.T, name string, kind client.Object) bool {
	t.Helper()
	err := b.Get(t.Context(), client.ObjectKey{Namespace: b.namespace, Name: name}, kind)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

// after lets the Ensurer's clock run on.
func (b bench) after(d time.Duration) {
	b.clock = func() time.Time { return time.Now().Add(d) }
}
