package controller

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// somebodyElses are objects of other people, with the names that an instance
// named cart needs.
var somebodyElses = map[string]client.Object{
	"StatefulSet": &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "cart"}, Spec: appsv1.StatefulSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "cart"}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "cart"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop"}}}}}},
	"primary Service": &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "cart-primary"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
	"headless Service": &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "cart-nodes"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
	"PodDisruptionBudget": &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "cart-replicas"}},
	"Secret of the users": &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "cart-auth"},
		Data: map[string][]byte{"password": []byte("theirs")}},
	"Secret of the system": &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "cart-system"}},
	"EndpointSlice": &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "cart-primary"},
		AddressType: discoveryv1.AddressTypeIPv4},
}

func TestWhatBelongsToSomebodyElseIsNeitherChangedNorAdopted(t *testing.T) {
	for name, foreign := range somebodyElses {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			foreign := foreign.DeepCopyObject().(client.Object)
			foreign.SetNamespace(b.namespace)
			if err := b.Create(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			before := foreign.GetResourceVersion()
			declared, err := b.Ensure(t.Context(), instance(t, b.namespace, threeServers))
			if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), foreign.GetName()) ||
				!strings.Contains(err.Error(), "choose another name") {
				t.Errorf("the error is %v", err)
			}
			if !reflect.DeepEqual(declared, Declared{}) {
				t.Error("the operator would go on to look after what is not its own")
			}
			if after := read(t, b, foreign.GetName(), foreign).GetResourceVersion(); after != before {
				t.Error("it has been changed")
			}
			if err := b.Delete(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			b.ensure(t, instance(t, b.namespace, threeServers))
		})
	}
}

func TestAShardOfSomebodyElsesIsNotTaken(t *testing.T) {
	for name, kind := range map[string]client.Object{
		"cart-shard-1": somebodyElses["StatefulSet"], "cart-cluster": somebodyElses["headless Service"],
		"cart-shard-2": somebodyElses["PodDisruptionBudget"],
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			foreign := kind.DeepCopyObject().(client.Object)
			foreign.SetNamespace(b.namespace)
			foreign.SetName(name)
			if err := b.Create(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			before := foreign.GetResourceVersion()
			_, err := b.Ensure(t.Context(), instance(t, b.namespace, `{topology: Cluster}`))
			if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), name) {
				t.Errorf("the error is %v", err)
			}
			if after := read(t, b, name, foreign).GetResourceVersion(); after != before {
				t.Error("it has been changed")
			}
		})
	}
}

// One that bears our labels and a shard's name beyond the wish is in nobody's way.
func TestAShardOfSomebodyElsesBeyondTheWishIsLeftAlone(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, `{topology: Cluster}`)
	foreign := somebodyElses["StatefulSet"].DeepCopyObject().(*appsv1.StatefulSet)
	foreign.Namespace, foreign.Name, foreign.Labels = b.namespace, "cart-shard-7", v.PodSelector()
	foreign.Labels["app.kubernetes.io/managed-by"] = v1alpha1.ManagedBy
	foreign.Spec.Replicas = ptr.To[int32](0)
	if err := b.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	before := foreign.ResourceVersion
	b.ensure(t, v)
	if err := b.Tidy(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if after := read(t, b, foreign.Name, &appsv1.StatefulSet{}); after.ResourceVersion != before {
		t.Error("it has been changed")
	}
}

func TestASettingsFileOfSomebodyElseIsNotTaken(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	b.ensure(t, v)
	name := settingsOf(t, b)
	settings := read(t, b, name, &corev1.ConfigMap{})
	settings.OwnerReferences = nil
	if err := b.Update(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ensure(t.Context(), v); !errors.Is(err, ErrForeign) {
		t.Errorf("the error is %v", err)
	}
}

func TestWhatAnEarlierInstanceOfTheNameHasLeftIsWaitedFor(t *testing.T) {
	b := newBench(t)
	earlier := instance(t, b.namespace, threeServers)
	b.ensure(t, earlier)
	again := instance(t, b.namespace, threeServers)
	again.UID = types.UID("another-uid")
	_, err := b.Ensure(t.Context(), again)
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "left over from an earlier Valkey") {
		t.Errorf("the error is %v", err)
	}
}

func TestAUsersOwnSecretIsUsedAndLeftAlone(t *testing.T) {
	b := newBench(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "cart-auth"},
		Data: map[string][]byte{"password": []byte("theirs")}}
	if err := b.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	v := instance(t, b.namespace, threeServers)
	v.Spec.Auth = v1alpha1.Auth{Enabled: ptr.To(true), SecretName: "cart-auth"}
	b.ensure(t, v)
	if after := read(t, b, "cart-auth", &corev1.Secret{}); after.ResourceVersion != secret.ResourceVersion {
		t.Error("it has been changed")
	}
}
