package render

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Site is what differs from one Kubernetes cluster to another.
type Site struct {
	// ImageRepository is where spec.version is looked up as a tag.
	ImageRepository string
	// Domain of the Kubernetes cluster, such as cluster.local; empty when it is not
	// known. A name with it is found by one question, one without by three.
	Domain string
}

// Inputs are what the objects depend on beside the resource.
type Inputs struct {
	Site
	// Auth is the Secret v.AuthSecretName() as it exists, nil when it does not.
	Auth *corev1.Secret
	// System is the Secret v.SystemSecretName() as it exists, nil when it does
	// not.
	System *corev1.Secret
	// Random are fresh passwords, used only where none exists.
	Random Passwords
	// StatefulSets are the instance's that exist, by name. Their pod templates are
	// kept while the user's wishes are the same.
	StatefulSets map[string]*appsv1.StatefulSet
	// Extras are those that do not exist, by name, of which one node more than is wished
	// for is left: its pod, or its volume claim.
	Extras map[string]bool
}

// Passwords of an instance's users, in clear text.
type Passwords struct {
	Default     string
	Operator    string
	Replication string
	Migration   string
	Sentinel    string
	Stop        string
}

// Rendered are the objects of one instance. Those that its spec does not ask
// for are nil.
type Rendered struct {
	// AuthSecret is nil without auth and when the user brought a Secret.
	AuthSecret   *corev1.Secret
	SystemSecret *corev1.Secret
	// ConfigMap is immutable, and named by its content's hash. Older ones stay
	// until no pod and no template refers to them (ConfigMapOf). It is nil while
	// the template is kept from an operator that wrote another one: that one is
	// there already, and this one would be for nobody.
	ConfigMap *corev1.ConfigMap
	// NodesService is headless and leads to every pod, ready or not.
	NodesService *corev1.Service
	// PrimaryService and ReplicasService have no selector: the operator writes
	// their EndpointSlices. ReplicasService is nil with topology Standalone, both
	// are with topology Cluster.
	PrimaryService  *corev1.Service
	ReplicasService *corev1.Service
	// ClusterService leads to every pod in service, with topology Cluster.
	ClusterService *corev1.Service
	// Sentinels are theirs, with topology Sentinel.
	Sentinels Sentinels
	// Budgets are those of the primary and of the replicas, for each shard, and of the
	// Sentinels. There is none when they are switched off, nor for a Standalone that
	// never gets a surge, unless it has one yet.
	Budgets []*policyv1.PodDisruptionBudget
	// StatefulSets are those of the data servers, in the order of their shards; all
	// topologies but Cluster have one.
	StatefulSets []*appsv1.StatefulSet
}

// EveryStatefulSet is those of the data servers, and then that of the Sentinels.
func (r Rendered) EveryStatefulSet() []*appsv1.StatefulSet {
	if r.Sentinels.StatefulSet == nil {
		return r.StatefulSets
	}
	return append(slices.Clone(r.StatefulSets), r.Sentinels.StatefulSet)
}

// Object is any of the rendered objects.
type Object interface {
	metav1.Object
	runtime.Object
}

// Objects renders an instance. An error says what in the resource, or in a
// Secret that it names, has to change.
func Objects(v *v1alpha1.Valkey, in Inputs) (Rendered, error) {
	out, err := objects(v, in)
	if err != nil {
		return Rendered{}, fmt.Errorf("%s/%s: %w", v.Namespace, v.Name, err)
	}
	return out, nil
}

func objects(v *v1alpha1.Valkey, in Inputs) (Rendered, error) {
	conf, err := serverConf(&v.Spec)
	if err != nil {
		return Rendered{}, err
	}
	secrets, err := renderSecrets(v, in)
	if err != nil {
		return Rendered{}, err
	}
	config := configMap(v, conf)
	shards := shardsOf(v, in.StatefulSets)
	out := Rendered{
		AuthSecret:   secrets.auth,
		SystemSecret: secrets.system,
		NodesService: nodesService(v),
		Budgets:      budgets(v, shards, in.StatefulSets),
	}
	for _, s := range shards {
		desired, err := statefulSet(v, s, in, config.Name)
		if err != nil {
			return Rendered{}, err
		}
		set := KeepTemplate(in.StatefulSets[s.name], desired)
		if ConfigMapOf(set.Spec.Template.Spec) == config.Name {
			out.ConfigMap = config
		}
		out.StatefulSets = append(out.StatefulSets, set)
	}
	if v.Spec.IsCluster() {
		out.ClusterService = clusterService(v)
		return out, nil
	}
	out.PrimaryService = routedService(v, v.PrimaryServiceName())
	if v.Spec.Topology != v1alpha1.TopologyStandalone {
		out.ReplicasService = routedService(v, v.ReplicasServiceName())
	}
	if v.Spec.IsSentinel() {
		out.Sentinels, err = sentinels(v, in)
	}
	return out, err
}

// InOrder lists the objects in the order in which they have to exist: a pod
// needs its Secrets and its ConfigMap, and a budget has to be there before the
// pods that it protects. Sentinels come last: they know of no primary until the
// operator has seen one.
func (r Rendered) InOrder() []Object {
	var out []Object
	add := func(present bool, o Object) {
		if present {
			out = append(out, o)
		}
	}
	add(r.AuthSecret != nil, r.AuthSecret)
	add(r.SystemSecret != nil, r.SystemSecret)
	add(r.ConfigMap != nil, r.ConfigMap)
	add(r.NodesService != nil, r.NodesService)
	add(r.PrimaryService != nil, r.PrimaryService)
	add(r.ReplicasService != nil, r.ReplicasService)
	add(r.ClusterService != nil, r.ClusterService)
	add(r.Sentinels.ConfigMap != nil, r.Sentinels.ConfigMap)
	add(r.Sentinels.NodesService != nil, r.Sentinels.NodesService)
	add(r.Sentinels.Service != nil, r.Sentinels.Service)
	for _, b := range r.Budgets {
		add(true, b)
	}
	for _, s := range r.EveryStatefulSet() {
		add(true, s)
	}
	return out
}
