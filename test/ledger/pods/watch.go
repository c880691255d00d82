package pods

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// relistPause is how long to wait before a watch that broke off is started
// again. It needs get, list and watch on pods of one namespace, nothing else.
const relistPause = 200 * time.Millisecond

// Connect returns a client for the cluster of a kubeconfig file; with an empty
// path, for the cluster that the ledger runs in, else for KUBECONFIG's or the
// home folder's current context.
func Connect(kubeconfig string) (typedv1.PodsGetter, error) {
	config, err := restConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("find a Kubernetes cluster (run inside one, or give --kubeconfig): %w", err)
	}
	client, err := typedv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	return client, nil
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		if config, err := rest.InClusterConfig(); err == nil {
			return config, nil
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
}

// Watch follows the pods that a label selector names until ctx ends. The first
// list must succeed; after that it goes on through every failure, and reports
// each to failed.
func (t *Tracker) Watch(ctx context.Context, client typedv1.PodInterface, selector string, failed func(error)) error {
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Errorf("list the pods with labels %q (needs get, list and watch on pods): %w", selector, err)
	}
	t.SeeList(list.Items, time.Now())
	go t.follow(ctx, client, selector, list.ResourceVersion, failed)
	return nil
}

func (t *Tracker) follow(ctx context.Context, client typedv1.PodInterface, selector, version string, failed func(error)) {
	for ctx.Err() == nil {
		err := t.watchFrom(ctx, client, selector, version)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failed(fmt.Errorf("watch the pods: %w", err))
		}
		time.Sleep(relistPause)
		list, err := client.List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			continue
		}
		version = list.ResourceVersion
		t.SeeList(list.Items, time.Now())
	}
}

// watchFrom follows one watch until it ends.
func (t *Tracker) watchFrom(ctx context.Context, client typedv1.PodInterface, selector, version string) error {
	w, err := client.Watch(ctx, metav1.ListOptions{LabelSelector: selector, ResourceVersion: version})
	if err != nil {
		return err
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		now := time.Now()
		pod, ok := event.Object.(*corev1.Pod)
		switch {
		case event.Type == watch.Error:
			return fmt.Errorf("the API server ended it: %v", event.Object)
		case !ok:
		case event.Type == watch.Deleted:
			t.SeeGone(string(pod.UID), now)
		default:
			t.See(pod, now)
		}
	}
	return nil
}
