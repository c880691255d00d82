package controller

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/apply"
	"github.com/valkeeper/valkeeper/internal/render"
	"github.com/valkeeper/valkeeper/internal/servers"
)

// secretsEvery is how often an instance's Secrets are read. They are read one
// by one, so that the operator needs no right to list or watch Secrets.
const secretsEvery = time.Minute

// Objects makes the declared objects of an instance so.
type Objects interface {
	// Ensure gives the operator's credentials on the instance's servers.
	Ensure(ctx context.Context, v *v1alpha1.Valkey) (servers.Credentials, error)
	// Tidy removes what no pod needs any more, once the instance is at rest.
	Tidy(ctx context.Context, v *v1alpha1.Valkey) error
	Forget(instance string)
}

// Ensurer applies what render declares, and only what differs.
type Ensurer struct {
	client          client.Client
	live            client.Reader
	imageRepository string

	mu      sync.Mutex
	secrets map[string]secretPair
}

// secretPair is an instance's Secrets as they were read.
type secretPair struct {
	uid          string
	authName     string
	auth, system *corev1.Secret
	read         time.Time
}

// NewEnsurer reads Secrets from live and everything else from the client.
func NewEnsurer(c client.Client, live client.Reader, imageRepository string) *Ensurer {
	return &Ensurer{client: c, live: live, imageRepository: imageRepository, secrets: map[string]secretPair{}}
}

// Ensure renders the instance and applies what is not so yet.
func (e *Ensurer) Ensure(ctx context.Context, v *v1alpha1.Valkey) (servers.Credentials, error) {
	pair, err := e.readSecrets(ctx, v)
	if err != nil {
		return servers.Credentials{}, err
	}
	existing, err := e.statefulSet(ctx, v)
	if err != nil {
		return servers.Credentials{}, err
	}
	rendered, err := render.Objects(v, render.Inputs{ImageRepository: e.imageRepository,
		Auth: pair.auth, System: pair.system, Random: passwords(), StatefulSet: existing})
	if err != nil {
		return servers.Credentials{}, err
	}
	if existing != nil {
		rendered.StatefulSet.Spec.Replicas = existing.Spec.Replicas // plan/scale.go owns it from now on
	}
	for _, desired := range rendered.InOrder() {
		if err := e.ensure(ctx, pair, desired); err != nil {
			return servers.Credentials{}, err
		}
	}
	if err := e.removeBudgets(ctx, v, rendered); err != nil {
		return servers.Credentials{}, err
	}
	e.keepSecrets(v, pair, rendered)
	return servers.Credentials{Username: v1alpha1.OperatorUser,
		Password: string(rendered.SystemSecret.Data[v1alpha1.OperatorPasswordKey])}, nil
}

// Forget drops what is known of an instance.
func (e *Ensurer) Forget(instance string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.secrets, instance)
}

func (e *Ensurer) statefulSet(ctx context.Context, v *v1alpha1.Valkey) (*appsv1.StatefulSet, error) {
	sts := &appsv1.StatefulSet{}
	err := e.client.Get(ctx, client.ObjectKeyFromObject(v), sts)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read StatefulSet %s/%s: %w", v.Namespace, v.Name, err)
	}
	if owner := metav1.GetControllerOf(sts); owner == nil || owner.UID != v.UID {
		return nil, fmt.Errorf("StatefulSet %s/%s exists and does not belong to this Valkey: remove it, or choose another name", v.Namespace, v.Name)
	}
	return sts, nil
}

// readSecrets gives the Secrets as they are, or as they were within the last
// minute.
func (e *Ensurer) readSecrets(ctx context.Context, v *v1alpha1.Valkey) (secretPair, error) {
	instance := v.Namespace + "/" + v.Name
	e.mu.Lock()
	pair, ok := e.secrets[instance]
	e.mu.Unlock()
	if ok && pair.uid == string(v.UID) && pair.authName == v.AuthSecretName() && time.Since(pair.read) < secretsEvery {
		return pair, nil
	}
	pair = secretPair{uid: string(v.UID), authName: v.AuthSecretName(), read: time.Now()}
	var err error
	if pair.auth, err = e.secret(ctx, v.Namespace, v.AuthSecretName()); err != nil {
		return secretPair{}, err
	}
	pair.system, err = e.secret(ctx, v.Namespace, v.SystemSecretName())
	return pair, err
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

// keepSecrets remembers what has been applied, so that passwords made a moment
// ago are not made anew.
func (e *Ensurer) keepSecrets(v *v1alpha1.Valkey, pair secretPair, r render.Rendered) {
	if r.AuthSecret != nil {
		pair.auth = r.AuthSecret
	}
	pair.system = r.SystemSecret
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets[v.Namespace+"/"+v.Name] = pair
}

// passwords are fresh ones: render uses them only where none exists.
func passwords() render.Passwords {
	return render.Passwords{Default: rand.Text(), Operator: rand.Text(), Replication: rand.Text()}
}

// ensure applies one object when it is not as declared.
func (e *Ensurer) ensure(ctx context.Context, pair secretPair, desired render.Object) error {
	existing, err := e.existing(ctx, pair, desired)
	if err != nil {
		return err
	}
	if existing != nil && asDeclared(existing, desired) {
		return nil
	}
	if secret, ok := desired.(*corev1.Secret); ok && existing == nil {
		// Created, never applied: a Secret made by somebody else meanwhile wins,
		// and the next reconcile reads it.
		if err := e.client.Create(ctx, secret.DeepCopy()); err != nil {
			return fmt.Errorf("create Secret %s/%s: %w", secret.Namespace, secret.Name, err)
		}
		return nil
	}
	return apply.Object(ctx, e.client, desired)
}

func (e *Ensurer) existing(ctx context.Context, pair secretPair, desired render.Object) (client.Object, error) {
	if secret, ok := desired.(*corev1.Secret); ok {
		for _, s := range []*corev1.Secret{pair.auth, pair.system} {
			if s != nil && s.Name == secret.Name {
				return s, nil
			}
		}
		return nil, nil
	}
	existing := desired.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy of what is one already
	err := e.client.Get(ctx, client.ObjectKeyFromObject(existing), existing)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %T %s/%s: %w", desired, desired.GetNamespace(), desired.GetName(), err)
	}
	return existing, nil
}

// removeBudgets deletes budgets that are no longer declared.
func (e *Ensurer) removeBudgets(ctx context.Context, v *v1alpha1.Valkey, r render.Rendered) error {
	if r.PrimaryBudget != nil {
		return nil
	}
	list := &policyv1.PodDisruptionBudgetList{}
	if err := e.client.List(ctx, list, client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector())); err != nil {
		return fmt.Errorf("list PodDisruptionBudgets of %s/%s: %w", v.Namespace, v.Name, err)
	}
	for i := range list.Items {
		if !metav1.IsControlledBy(&list.Items[i], v) {
			continue
		}
		if err := e.client.Delete(ctx, &list.Items[i]); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete PodDisruptionBudget %s/%s: %w", v.Namespace, list.Items[i].Name, err)
		}
	}
	return nil
}

// contains says whether all of want stands in have.
func contains(have, want map[string]string) bool {
	return !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(k string) bool { return have[k] != want[k] })
}
