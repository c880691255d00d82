package render

import (
	"context"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A real API server takes every object, and lets the pods into a namespace for
// restricted pods only. (Nothing is kept: each request is a dry run.)
func TestARealServerTakesWhatIsRendered(t *testing.T) {
	c := apiServer(t)
	const namespace = "render-restricted"
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted",
	}}}
	if err := c.Create(context.Background(), ns); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	for _, file := range []string{"replication", "standalone", "everything", "cluster", "sentinel"} {
		spec, err := os.ReadFile("testdata/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		v := instance(t, string(spec))
		v.Namespace = namespace
		v.Spec.Scheduling.PriorityClassName = "" // it would have to exist
		r := rendered(t, v, fixed())
		objects := r.InOrder()
		for _, set := range r.EveryStatefulSet() {
			template := set.Spec.Template
			pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
			pod.Namespace, pod.Name = namespace, set.Name+"-0"
			if v.Spec.Storage != nil { // the StatefulSet adds the claim's volume
				pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: dataVolume})
			}
			objects = append(objects, pod)
		}
		objects = append(objects,
			PrimarySlice(v, &Endpoint{IP: "10.0.0.1", Pod: "cart-0", UID: "a", Host: "host", Zone: "zone"}),
			ReplicaSlice(v, nil))
		for _, o := range objects {
			o := o.DeepCopyObject().(client.Object)
			if err := c.Create(context.Background(), o, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
				t.Errorf("%s: %T %s: %v", file, o, o.GetName(), err)
			}
		}
	}
}

func apiServer(t *testing.T) client.Client {
	t.Helper()
	const env = "VALKEEPER_APISERVER_KUBECONFIG"
	file := os.Getenv(env)
	if file == "" {
		if os.Getenv("VALKEEPER_REQUIRE_SERVERS") == "1" {
			t.Fatalf("%s is not set: try testbed apiserver start", env)
		}
		t.Skipf("no API server: set %s (testbed apiserver start prints the path)", env)
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
