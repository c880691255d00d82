package controller

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/internal/render"
)

func sameData(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, slices.Equal[[]byte]) }

func TestASecretThatIsDeletedComesBackAsItWas(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	before := b.ensure(t, v).Creds
	for i, name := range []string{"cart-system", "cart-auth"} {
		secret := read(t, b, name, &corev1.Secret{})
		if err := b.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		b.after(time.Duration(i+1) * 2 * secretsEvery)
		if after := b.ensure(t, v).Creds; after != before {
			t.Errorf("without %s the operator has other credentials than the servers know", name)
		}
		if !sameData(read(t, b, name, &corev1.Secret{}).Data, secret.Data) {
			t.Errorf("%s has other passwords than the servers know", name)
		}
	}
}

func TestPasswordsThatServersRunWithAreKeptWhenSomebodyChangesThem(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	before := b.ensure(t, v).Creds
	secret := read(t, b, "cart-system", &corev1.Secret{})
	was := secret.DeepCopy().Data
	secret.Data["operator-password"] = []byte("changed")
	delete(secret.Data, "replication-password")
	if err := b.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	b.after(2 * secretsEvery)
	if after := b.ensure(t, v).Creds; after != before {
		t.Error("the operator is locked out of the servers that run")
	}
	if !sameData(read(t, b, "cart-system", &corev1.Secret{}).Data, was) {
		t.Error("a server that starts now gets other passwords than its peers")
	}
}

func TestAUsersNewPasswordReachesTheFileThatServersReadAndNothingElse(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	before := b.ensure(t, v)
	was := read(t, b, "cart-system", &corev1.Secret{}).DeepCopy().Data
	auth := read(t, b, "cart-auth", &corev1.Secret{})
	auth.Data["password"] = []byte("new")
	if err := b.Update(t.Context(), auth); err != nil {
		t.Fatal(err)
	}
	b.after(2 * secretsEvery)
	after := b.ensure(t, v)
	is := read(t, b, "cart-system", &corev1.Secret{}).Data
	if bytes.Equal(is["users.acl"], was["users.acl"]) {
		t.Error("a server that starts does not get the new password")
	}
	for _, key := range []string{"operator-password", "replication-password"} {
		if !bytes.Equal(is[key], was[key]) {
			t.Errorf("%s has changed too", key)
		}
	}
	if !reflect.DeepEqual(after, before) {
		t.Errorf("the pods restart, or the operator is locked out: %+v, before %+v", after.Generations, before.Generations)
	}
}

func TestServersAreLookedAfterWhileAUsersSecretIsMissing(t *testing.T) {
	b := newBench(t)
	v := instance(t, b.namespace, threeServers)
	before := b.ensure(t, v).Creds
	v.Spec.Auth.SecretName = "not-there-yet"
	declared, err := b.Ensure(t.Context(), v)
	if !errors.Is(err, render.ErrNoPassword) {
		t.Errorf("the error is %v", err)
	}
	if declared.Creds != before {
		t.Error("the servers that run would not be looked after")
	}
	b.Ensurer = b.newEnsurer("registry.example/valkey") // also by an operator that has just started
	if declared, _ := b.Ensure(t.Context(), v); declared.Creds != before {
		t.Error("a new operator would not look after the servers that run")
	}
}
