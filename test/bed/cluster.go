package bed

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Cluster is a Kubernetes that we may do things to.
type Cluster struct {
	client.WithWatch
	Kube     kubernetes.Interface
	Config   *rest.Config
	Settings Settings
	// Say is told what is going on, one line at a time.
	Say func(format string, args ...any)
}

// Connect reaches the Kubernetes that KUBECONFIG, or else kubectl's own
// configuration, speaks of.
func Connect(ctx context.Context, settings Settings, say func(string, ...any)) (*Cluster, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no Kubernetes to talk to: %w", err)
	}
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	if _, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return nil, fmt.Errorf("the Kubernetes at %s does not answer: %w", config.Host, err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	return &Cluster{WithWatch: c, Kube: kube, Config: config, Settings: settings, Say: say}, nil
}

// MakeNamespace makes a namespace whose name begins so.
func (c *Cluster) MakeNamespace(ctx context.Context, prefix string) (string, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: prefix + "-", Labels: map[string]string{
			"valkeeper.io/test":                          "true",
			"pod-security.kubernetes.io/enforce":         "restricted",
			"pod-security.kubernetes.io/enforce-version": "latest",
		},
	}}
	if err := c.Create(ctx, ns); err != nil {
		return "", fmt.Errorf("make a namespace: %w", err)
	}
	return ns.Name, nil
}

// DropNamespace deletes a namespace and waits until it is gone, for what is
// being deleted still takes the machine's time.
func (c *Cluster) DropNamespace(ctx context.Context, name string) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := client.IgnoreNotFound(c.Delete(ctx, ns)); err != nil {
		return err
	}
	return Await(ctx, 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(ns), ns)
		if apierrors.IsNotFound(err) {
			return true, "", nil
		}
		return false, fmt.Sprintf("namespace %s is still being deleted", name), err
	})
}
