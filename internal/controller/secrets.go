package controller

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
	"github.com/valkeeper/valkeeper/internal/servers"
)

// secretsEvery is how often an instance's Secrets are read. They are read one
// by one, so that the operator needs no right to list or watch Secrets.
const secretsEvery = time.Minute

// secrets are what an instance's Secrets are made from, and what is there.
//
// A server reads its passwords once, at its start. So what it was started with
// is remembered for as long as this operator lives: a Secret that somebody
// deletes comes back as it was, and a system Secret that somebody changes is put
// right. Else the operator would be locked out of every running server, and
// replicas of their primaries. Users' passwords are the users': a changed one
// reaches each server when that restarts.
type secrets struct {
	uid      string // of the instance
	authName string
	// auth and system are what to go by; nil for none.
	auth, system *corev1.Secret
	// live are those that exist, by name.
	live map[string]*corev1.Secret
	// read is when live was read; zero when it has to be read anew.
	read time.Time
}

// readSecrets gives the Secrets as they are, or as they were within the last
// minute.
func (e *Ensurer) readSecrets(ctx context.Context, v *v1alpha1.Valkey) (secrets, error) {
	before := e.remembered(v).secrets
	if before.authName == v.AuthSecretName() && e.clock.since(before.read) < secretsEvery {
		return before, nil
	}
	s := secrets{uid: string(v.UID), authName: v.AuthSecretName(), live: map[string]*corev1.Secret{}, read: e.clock.now()}
	for _, name := range []string{v.AuthSecretName(), v.SystemSecretName()} {
		secret, err := e.secret(ctx, v.Namespace, name)
		if err != nil {
			return secrets{}, err
		}
		if secret != nil {
			s.live[name] = secret
		}
	}
	s.auth, s.system = s.live[v.AuthSecretName()], s.live[v.SystemSecretName()]
	if s.auth == nil && v.Spec.Auth.SecretName == "" && before.authName == s.authName {
		s.auth = before.auth
	}
	if before.system != nil {
		s.system = before.system
	}
	return s, nil
}

func (e *Ensurer) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	err := e.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", namespace, name, err)
	}
	return s, nil
}

// written are the Secrets once what was rendered from them is there.
func (s secrets) written(r render.Rendered) secrets {
	s.system = r.SystemSecret
	s.live[r.SystemSecret.Name] = r.SystemSecret
	if r.AuthSecret != nil {
		s.auth = r.AuthSecret
		s.live[r.AuthSecret.Name] = r.AuthSecret
	}
	return s
}

// credentials of the operator on the servers; the zero value while there are
// none.
func (s secrets) credentials() servers.Credentials {
	return s.of(v1alpha1.OperatorUser, v1alpha1.OperatorPasswordKey)
}

// migration is the user that moves keys; only a cluster has one.
func (s secrets) migration() servers.Credentials {
	return s.of(v1alpha1.MigrationUser, v1alpha1.MigrationPasswordKey)
}

// sentinel is the user that Sentinels are; only topology Sentinel has one.
func (s secrets) sentinel() servers.Credentials {
	return s.of(v1alpha1.SentinelUser, v1alpha1.SentinelPasswordKey)
}

func (s secrets) of(user, key string) servers.Credentials {
	if s.system == nil || len(s.system.Data[key]) == 0 {
		return servers.Credentials{}
	}
	return servers.Credentials{Username: user, Password: string(s.system.Data[key])}
}

// passwords are fresh ones: render uses them only where none exists.
func passwords() render.Passwords {
	return render.Passwords{Default: rand.Text(), Operator: rand.Text(), Replication: rand.Text(),
		Migration: rand.Text(), Sentinel: rand.Text(), Stop: rand.Text()}
}
