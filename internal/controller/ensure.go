package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/apply"
	"github.com/valkeeper/valkeeper/internal/render"
	"github.com/valkeeper/valkeeper/internal/servers"
)

// Objects makes the declared objects of an instance so.
type Objects interface {
	// Ensure tells what it knows also with an error: servers that run are looked
	// after even while their objects cannot be made as they should be.
	Ensure(ctx context.Context, v *v1alpha1.Valkey) (Declared, error)
	// Tidy removes what no pod needs any more, once the instance is at rest.
	Tidy(ctx context.Context, v *v1alpha1.Valkey) error
	Forget(instance string)
}

// Declared is what is known of an instance's objects.
type Declared struct {
	// Creds are the operator's on the servers; the zero value when there are none.
	Creds servers.Credentials
	// Migration are those of the user that moves keys between the servers of a
	// cluster.
	Migration servers.Credentials
	// Sentinel are those that Sentinels log in with on the servers: the operator
	// tells them. Only topology Sentinel has them.
	Sentinel servers.Credentials
	// Generations are those of the StatefulSets, by name, as they were last written
	// by this process; 0 for one that was not.
	Generations map[string]int64
}

// Ensurer applies what render declares, and only what differs.
type Ensurer struct {
	client client.Client
	live   client.Reader
	site   render.Site
	clock  clock

	mu     sync.Mutex
	memory map[string]memory
}

// memory is what is kept of an instance.
type memory struct {
	secrets     secrets
	generations map[string]int64 // is never written to, but replaced
}

// NewEnsurer reads from live what no cache may be believed about, and everything else
// from the client.
func NewEnsurer(c client.Client, live client.Reader, site render.Site) *Ensurer {
	return &Ensurer{client: c, live: live, site: site, memory: map[string]memory{}}
}

// Ensure renders the instance and applies what is not so yet.
func (e *Ensurer) Ensure(ctx context.Context, v *v1alpha1.Valkey) (Declared, error) {
	known := e.remembered(v)
	found, err := e.readSecrets(ctx, v)
	if err == nil {
		known.secrets = found
		err = e.declare(ctx, v, &known)
	}
	if err != nil {
		known.secrets.read = time.Time{} // who knows what is there now
	}
	e.remember(v, known)
	if errors.Is(err, ErrForeign) {
		return Declared{}, err
	}
	return Declared{Creds: known.secrets.credentials(), Migration: known.secrets.migration(),
		Sentinel: known.secrets.sentinel(), Generations: known.generations}, err
}

// declare applies every object, and takes down what it learns in known.
func (e *Ensurer) declare(ctx context.Context, v *v1alpha1.Valkey, known *memory) error {
	if err := e.oursOrNone(ctx, v); err != nil {
		return err
	}
	existing, err := e.statefulSets(ctx, v)
	if err != nil {
		return err
	}
	extras, err := e.extras(ctx, v, existing)
	if err != nil {
		return err
	}
	rendered, err := render.Objects(v, render.Inputs{Site: e.site,
		Auth: known.secrets.auth, System: known.secrets.system, Random: passwords(), StatefulSets: existing, Extras: extras})
	if err != nil {
		return err
	}
	for _, desired := range rendered.InOrder() {
		if err := e.ensure(ctx, v, known.secrets, desired); err != nil {
			return err
		}
	}
	known.secrets = known.secrets.written(rendered)
	for _, set := range rendered.EveryStatefulSet() {
		if err := e.ensureStatefulSet(ctx, existing[set.Name], set, known); err != nil {
			return err
		}
	}
	return e.removeBudgets(ctx, v, rendered)
}

// remembered is what is kept of this very instance, not of an earlier one of
// its name.
func (e *Ensurer) remembered(v *v1alpha1.Valkey) memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.memory[v.Namespace+"/"+v.Name]
	if m.secrets.uid != string(v.UID) {
		return memory{}
	}
	return m
}

func (e *Ensurer) remember(v *v1alpha1.Valkey, m memory) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memory[v.Namespace+"/"+v.Name] = m
}

// Forget drops what is known of an instance.
func (e *Ensurer) Forget(instance string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.memory, instance)
}

// statefulSets are those that exist, by name: of the shards that are wished for,
// of those beyond, and of the Sentinels. It is an error if one of a name that is
// needed is somebody else's.
func (e *Ensurer) statefulSets(ctx context.Context, v *v1alpha1.Valkey) (map[string]*appsv1.StatefulSet, error) {
	out := map[string]*appsv1.StatefulSet{}
	if v.Spec.IsCluster() {
		if err := e.addShards(ctx, v, out); err != nil {
			return nil, err
		}
	}
	for _, name := range setNames(v) {
		if out[name] != nil {
			continue
		}
		found, err := e.find(ctx, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: v.Namespace, Name: name}})
		if err != nil {
			return nil, err
		}
		if found == nil {
			continue
		}
		if err := e.ours(v, found); err != nil {
			return nil, err
		}
		out[name] = found.(*appsv1.StatefulSet) //nolint:forcetypeassert // find gives the kind asked for
	}
	return out, nil
}

// dataSets are the names of the StatefulSets of data servers that the instance asks for.
func dataSets(v *v1alpha1.Valkey) []string {
	var out []string
	for k := range int(v.Spec.ShardCount()) {
		out = append(out, v.ShardName(k))
	}
	return out
}

// setNames are those of all StatefulSets that the instance asks for.
func setNames(v *v1alpha1.Valkey) []string {
	out := dataSets(v)
	if v.Spec.IsSentinel() {
		out = append(out, v.SentinelName())
	}
	return out
}

// addShards adds every StatefulSet that is a shard of the instance.
func (e *Ensurer) addShards(ctx context.Context, v *v1alpha1.Valkey, to map[string]*appsv1.StatefulSet) error {
	list := &appsv1.StatefulSetList{}
	if err := e.client.List(ctx, list, client.InNamespace(v.Namespace), client.MatchingLabels(v.PodSelector())); err != nil {
		return fmt.Errorf("list StatefulSets of %s/%s: %w", v.Namespace, v.Name, err)
	}
	for i := range list.Items {
		set := &list.Items[i]
		if _, ok := v.ShardNumber(set.Name); ok && metav1.IsControlledBy(set, v) {
			to[set.Name] = set
		}
	}
	return nil
}

// ensure applies one object when it is not as declared. StatefulSets are
// ensureStatefulSet's.
func (e *Ensurer) ensure(ctx context.Context, v *v1alpha1.Valkey, s secrets, desired render.Object) error {
	switch want := desired.(type) {
	case *appsv1.StatefulSet:
		return nil
	case *corev1.Secret:
		return e.ensureSecret(ctx, v, s.live[want.Name], want)
	}
	existing, err := e.find(ctx, desired)
	if err != nil {
		return err
	}
	if existing != nil {
		if err := e.ours(v, existing); err != nil {
			return err
		}
		if asDeclared(existing, desired) {
			return nil
		}
	}
	return apply.Object(ctx, e.client, desired)
}

// ensureSecret creates a Secret that is not there, and does not apply it: one
// made by somebody else meanwhile wins, and the next reconcile reads it.
func (e *Ensurer) ensureSecret(ctx context.Context, v *v1alpha1.Valkey, existing, desired *corev1.Secret) error {
	switch {
	case existing == nil:
		if err := e.client.Create(ctx, desired.DeepCopy()); err != nil {
			return fmt.Errorf("create Secret %s/%s: %w", desired.Namespace, desired.Name, err)
		}
		return nil
	case asDeclared(existing, desired):
		return nil
	}
	if err := e.ours(v, existing); err != nil {
		return err
	}
	return apply.Object(ctx, e.client, desired)
}

// ensureStatefulSet writes a StatefulSet only as it was seen, by its UID and
// resourceVersion: its size and its pod template are carried over, and what is
// carried over from an old sight of it would undo what has happened since.
func (e *Ensurer) ensureStatefulSet(ctx context.Context, existing, desired *appsv1.StatefulSet, known *memory) error {
	if existing != nil {
		desired.Spec.Replicas = existing.Spec.Replicas // plan/scale.go owns it from now on
		if asDeclared(existing, desired) {
			return nil
		}
		desired.UID, desired.ResourceVersion = existing.UID, existing.ResourceVersion
	}
	if err := apply.Object(ctx, e.client, desired); err != nil {
		return err
	}
	known.generations = maps.Clone(known.generations)
	if known.generations == nil {
		known.generations = map[string]int64{}
	}
	known.generations[desired.Name] = desired.Generation
	return nil
}

// removeBudgets deletes budgets that are no longer declared.
func (e *Ensurer) removeBudgets(ctx context.Context, v *v1alpha1.Valkey, r render.Rendered) error {
	list := &policyv1.PodDisruptionBudgetList{}
	if err := e.client.List(ctx, list, mine(v)...); err != nil {
		return fmt.Errorf("list PodDisruptionBudgets of %s/%s: %w", v.Namespace, v.Name, err)
	}
	for i := range list.Items {
		budget := &list.Items[i]
		declared := slices.ContainsFunc(r.Budgets, func(b *policyv1.PodDisruptionBudget) bool { return b.Name == budget.Name })
		if declared || !metav1.IsControlledBy(budget, v) {
			continue
		}
		if err := e.client.Delete(ctx, budget); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete PodDisruptionBudget %s/%s: %w", v.Namespace, budget.Name, err)
		}
	}
	return nil
}

// contains says whether all of want stands in have.
func contains(have, want map[string]string) bool {
	return !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(k string) bool { return have[k] != want[k] })
}
