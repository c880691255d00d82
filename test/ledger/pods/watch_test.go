package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// cluster is just enough of an API server: one list of pods, and watches that
// send what is put into events until they are broken off.
type cluster struct {
	mu      sync.Mutex
	pods    []corev1.Pod
	lists   int
	refused bool
	events  chan string
	broken  chan struct{}
	query   string
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1" {
		w.(http.Flusher).Flush()
		for {
			select {
			case e := <-c.events:
				_, _ = fmt.Fprintln(w, e)
				w.(http.Flusher).Flush()
			case <-c.broken:
				return
			case <-r.Context().Done():
				return
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused {
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	c.lists++
	c.query = r.URL.Path + "?" + r.URL.Query().Get("labelSelector")
	list := corev1.PodList{Items: c.pods}
	list.Kind, list.APIVersion, list.ResourceVersion = "PodList", "v1", "7"
	_ = json.NewEncoder(w).Encode(list)
}

func event(kind string, p corev1.Pod) string {
	p.Kind, p.APIVersion = "Pod", "v1"
	object, _ := json.Marshal(p)
	return fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object)
}

// connect returns a tracker that follows the cluster through a kubeconfig file.
func connect(t *testing.T, c *cluster) (*Tracker, error) {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	config := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n" +
		"users: [{name: x, user: {}}]\nclusters: [{name: x, cluster: {server: \"" + server.URL + "\"}}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	tr := NewTracker()
	return tr, tr.Watch(ctx, api.Pods("shop"), "app=orders", func(error) {})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func has(tr *Tracker, uid string, is func(Life) bool) func() bool {
	return func() bool {
		for _, l := range tr.Lives() {
			if l.UID == uid && is(l) {
				return true
			}
		}
		return false
	}
}

func TestTheWatchFollowsAndGoesOnAfterItBrokeOff(t *testing.T) {
	now := time.Now()
	c := &cluster{pods: []corev1.Pod{pod("p-0", "1"), pod("p-1", "2")}, events: make(chan string), broken: make(chan struct{})}
	tr, err := connect(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if c.query != "/api/v1/namespaces/shop/pods?app=orders" {
		t.Errorf("asked for %s", c.query)
	}
	c.events <- event("MODIFIED", pod("p-0", "1", deleted(now, 5)))
	await(t, "the deletion is seen", has(tr, "1", func(l Life) bool { return !l.Deletion.IsZero() }))
	c.events <- event("DELETED", pod("p-0", "1", deleted(now, 5)))
	await(t, "it is gone", has(tr, "1", func(l Life) bool { return !l.Gone.IsZero() }))
	c.mu.Lock()
	c.pods = []corev1.Pod{pod("p-1", "2"), pod("p-0", "3", ready(now))}
	c.mu.Unlock()
	c.broken <- struct{}{} // what happens now is found in the next list
	await(t, "the successor is Ready", has(tr, "3", func(l Life) bool { return !l.Ready.IsZero() && l.Appeared }))
	c.events <- event("MODIFIED", pod("p-1", "2", deleted(time.Now(), 5)))
	await(t, "the new watch works", has(tr, "2", func(l Life) bool { return !l.Deletion.IsZero() }))
}

func TestPodsThatMayNotBeListedAreAnErrorAtOnce(t *testing.T) {
	if _, err := connect(t, &cluster{refused: true}); err == nil {
		t.Error("a refused list was taken for an empty one")
	}
}
