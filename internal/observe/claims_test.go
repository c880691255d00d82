package observe

import (
	"context"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
)

// claim is the volume claim of that name, of cart.
func claim(name string, change ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	out := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: cart().PodSelector()}}
	for _, c := range change {
		c(out)
	}
	return out
}

func goesWithItsPod(c *corev1.PersistentVolumeClaim) {
	c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "cart-3", UID: "uid"}}
}

func isBeingDeleted(c *corev1.PersistentVolumeClaim) {
	now := metav1.Now()
	c.DeletionTimestamp, c.Finalizers = &now, []string{"kubernetes.io/pvc-protection"}
}

func isOthers(c *corev1.PersistentVolumeClaim) { c.Labels = map[string]string{"app": "shop"} }

func TestTheClaimsOfPodsThatLeaveAreSeen(t *testing.T) {
	c := fake.NewClientBuilder().WithObjects(
		claim("data-cart-0"), claim("data-cart-3", goesWithItsPod), claim("data-cart-12", isBeingDeleted), claim("data-cart-5"),
		claim("data-cart-04"), claim("data-cart-b-7"), claim("other-cart-8"), claim("data-cart-9", isOthers)).Build()
	v := cart()
	o := Observer{Reader: c}
	if seen, err := o.claims(t.Context(), v); err != nil || len(seen) > 0 {
		t.Errorf("without storage nobody asks: %v, %v", seen, err)
	}
	v.Spec.Storage = &v1alpha1.Storage{Size: resource.MustParse("1Gi")}
	seen, err := o.claims(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Leftover{
		{Claim: "data-cart-3", Ordinal: 3, Going: true},
		{Claim: "data-cart-5", Ordinal: 5},
		{Claim: "data-cart-12", Ordinal: 12, Going: true},
	}
	if have := leftovers("cart", 3, seen); !reflect.DeepEqual(have, want) {
		t.Errorf("\nhave %+v\nwant %+v", have, want)
	}
}

// denied is a reader that may not list claims.
type denied struct{ client.Reader }

func (denied) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return context.DeadlineExceeded
}

func TestClaimsThatCannotBeListedAreAnError(t *testing.T) {
	v := cart()
	v.Spec.Storage = &v1alpha1.Storage{Size: resource.MustParse("1Gi")}
	if _, err := (Observer{Reader: denied{}}).claims(t.Context(), v); err == nil {
		t.Error("no error: what could not be seen would pass for nothing")
	}
}
