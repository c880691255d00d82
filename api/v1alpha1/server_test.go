package v1alpha1_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	// envKubeconfig names the kubeconfig of a plain API server, which these
	// tests may fill: testbed apiserver start prints one.
	envKubeconfig = "VALKEEPER_APISERVER_KUBECONFIG"
	envRequire    = "VALKEEPER_REQUIRE_SERVERS"
)

// apiServer is a real API server that knows the CRD.
type apiServer struct {
	client.Client
	config *rest.Config
}

var (
	installOnce sync.Once
	installed   apiServer
	errInstall  error
)

// server installs the CRD once and gives the API server to every test.
func server(t *testing.T) apiServer {
	t.Helper()
	file := os.Getenv(envKubeconfig)
	if file == "" {
		if os.Getenv(envRequire) == "1" {
			t.Fatalf("%s is not set, and %s=1 asks for an API server: try testbed apiserver start", envKubeconfig, envRequire)
		}
		t.Skipf("no API server: set %s (testbed apiserver start prints the path)", envKubeconfig)
	}
	definition := crd(t)
	installOnce.Do(func() { installed, errInstall = install(file, definition) })
	if errInstall != nil {
		t.Fatalf("install the CRD: %v", errInstall)
	}
	return installed
}

func install(kubeconfig string, definition *apiextensionsv1.CustomResourceDefinition) (apiServer, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return apiServer{}, err
	}
	config.QPS, config.Burst = 500, 500
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(known); err != nil {
			return apiServer{}, err
		}
	}
	c, err := client.New(config, client.Options{Scheme: known})
	if err != nil {
		return apiServer{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// An older definition goes first, and with it what was made of it: the
	// server takes a moment to notice a changed one.
	if err := removeCRD(ctx, c, definition.Name); err != nil {
		return apiServer{}, err
	}
	if err := c.Create(ctx, definition); err != nil {
		return apiServer{}, err
	}
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		probe := valkey("probe", `{topology: Standalone}`)
		return c.Create(ctx, probe, client.DryRunAll) == nil, nil
	})
	return apiServer{Client: c, config: config}, err
}

func removeCRD(ctx context.Context, c client.Client, name string) error {
	old := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := c.Delete(ctx, old); client.IgnoreNotFound(err) != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(c.Get(ctx, client.ObjectKey{Name: name}, old)), nil
	})
}

// valkey is a resource as a user writes it: no Go type fills anything in.
func valkey(name, spec string) *unstructured.Unstructured {
	fields := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(spec), &fields); err != nil {
		panic("spec of the test: " + err.Error() + "\n" + spec)
	}
	out := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	out.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	out.SetNamespace("default")
	out.SetName(name)
	return out
}
