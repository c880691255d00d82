// Package smoke tries a running bed as its users do: through the command and
// kubectl. It is run with TESTBED_SMOKE=1 and a bed that is up.
package smoke

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const namespace = "testbed-smoke"

// bed is a built testbed command and the settings that it printed.
type bed struct {
	command    string
	kubeconfig string
	kubectl    string
}

func openBed(t *testing.T) bed {
	t.Helper()
	if os.Getenv("TESTBED_SMOKE") == "" {
		t.Skip("needs a bed that is up: set TESTBED_SMOKE=1")
	}
	b := bed{command: filepath.Join(t.TempDir(), "testbed")}
	must(t, "go", "build", "-o", b.command, "../cmd/testbed")
	b.kubeconfig = strings.TrimSpace(must(t, b.command, "kubeconfig"))
	b.kubectl = strings.TrimSpace(must(t, b.command, "run", "--", "sh", "-c", "command -v kubectl"))
	return b
}

func call(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := call(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (b bed) k(t *testing.T, args ...string) string {
	t.Helper()
	return must(t, b.kubectl, append([]string{"--kubeconfig", b.kubeconfig, "-n", namespace}, args...)...)
}

func (b bed) try(args ...string) (string, error) {
	return call(b.kubectl, append([]string{"--kubeconfig", b.kubeconfig, "-n", namespace}, args...)...)
}

func eventually(t *testing.T, what string, limit time.Duration, holds func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		ok, seen := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s; last seen: %s", what, limit, seen)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

func TestARealClusterFromABareMachine(t *testing.T) {
	b := openBed(t)
	_, _ = b.try("delete", "namespace", namespace, "--ignore-not-found", "--timeout=60s")
	b.k(t, "create", "namespace", namespace)
	t.Cleanup(func() {
		_, _ = call(b.command, "node", "heal", "node-2")
		_, _ = call(b.command, "node", "quick", "node-2")
		_, _ = b.try("delete", "namespace", namespace, "--timeout=60s")
	})
	b.k(t, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	b.k(t, "apply", "-f", "testdata/set.yaml")
	b.k(t, "rollout", "status", "sts/vk", "--timeout=60s")

	t.Run("pods of a restricted set are spread and keep their volumes", func(t *testing.T) {
		nodes := b.k(t, "get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
		for _, node := range []string{"node-1", "node-2", "node-3"} {
			if !strings.Contains(nodes, node) {
				t.Errorf("no pod on %s: %s", node, nodes)
			}
		}
		b.k(t, "exec", "vk-0", "--", "sh", "-c", "echo kept >/data/mark")
		b.k(t, "delete", "pod", "vk-0")
		b.k(t, "wait", "--for=condition=Ready", "pod/vk-0", "--timeout=60s")
		if got := b.k(t, "exec", "vk-0", "--", "cat", "/data/mark"); strings.TrimSpace(got) != "kept" {
			t.Errorf("the volume holds %q", got)
		}
	})
	t.Run("names and services are reached from pods and from run", func(t *testing.T) {
		for _, host := range []string{"vk", "vk-1.vk-h"} {
			if got := b.k(t, "exec", "vk-0", "--", "valkey-cli", "-t", "5", "-h", host, "ping"); !strings.Contains(got, "PONG") {
				t.Errorf("%s: %s", host, got)
			}
		}
		ping := fmt.Sprintf("exec 3<>/dev/tcp/vk.%s.svc.cluster.local/6379; echo PING >&3; timeout 3 head -n 1 <&3", namespace)
		if got := must(t, b.command, "run", "--", "bash", "-c", ping); !strings.Contains(got, "PONG") {
			t.Errorf("from run: %s", got)
		}
		if _, err := b.try("exec", "vk-0", "--", "nslookup", "example.com"); err == nil {
			t.Error("a name outside was resolved")
		}
	})
	t.Run("an eviction respects the budget", func(t *testing.T) { eviction(t, b) })
	t.Run("an image that was not loaded fails plainly", func(t *testing.T) { missingImage(t, b) })
	t.Run("a node that is cut off is gone, and comes back", func(t *testing.T) { cutAndHeal(t, b) })
	t.Run("a frozen process does not answer, and then does", func(t *testing.T) {
		must(t, b.command, "process", "freeze", namespace+"/vk-1/valkey")
		if _, err := b.try("exec", "vk-0", "--", "timeout", "2", "valkey-cli", "-h", "vk-1.vk-h", "ping"); err == nil {
			t.Error("a frozen server answered")
		}
		must(t, b.command, "process", "thaw", namespace+"/vk-1/valkey")
		b.k(t, "wait", "--for=condition=Ready", "pod/vk-1", "--timeout=30s")
	})
	t.Run("a killed process is another one afterwards", func(t *testing.T) { killed(t, b) })
	t.Run("a frozen API server does not answer, and then does", func(t *testing.T) {
		must(t, b.command, "component", "freeze", "kube-apiserver")
		_, err := b.try("get", "--raw", "/readyz", "--request-timeout=2s")
		must(t, b.command, "component", "thaw", "kube-apiserver")
		if err == nil {
			t.Error("a frozen API server answered")
		}
		b.k(t, "get", "--raw", "/readyz")
	})
	t.Run("a small volume can be filled, and the disk below it cannot", func(t *testing.T) {
		if _, err := call(b.command, "volume", "fill", "node-1", "smoke"); err == nil {
			t.Error("something was filled that is no volume of its own")
		}
		for _, verb := range []string{"make", "fill", "free", "drop"} {
			must(t, b.command, "volume", verb, "node-1", "smoke", "--size", "4m")
		}
	})
	t.Run("a slow link is slow, and then is not", func(t *testing.T) {
		took := func() time.Duration {
			began := time.Now()
			b.k(t, "exec", "vk-0", "--", "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x | valkey-cli -h vk-1.vk-h -x echo >/dev/null")
			return time.Since(began)
		}
		must(t, b.command, "node", "slow", "node-2")
		slow := took()
		must(t, b.command, "node", "quick", "node-2")
		if quick := took(); slow < 2*time.Second || quick > slow/2 {
			t.Errorf("100 kB there and back took %s over a slow link, %s over the usual one", slow, quick)
		}
	})
}

func killed(t *testing.T, b bed) {
	restarts := func() string {
		return b.k(t, "get", "pod", "vk-1", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
	}
	before := restarts()
	container := b.k(t, "get", "pod", "vk-1", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	host := b.k(t, "get", "pod", "vk-1", "-o", "jsonpath={.spec.nodeName}")
	must(t, b.command, "process", "kill", "--node", host, container)
	eventually(t, "vk-1 to be started again", time.Minute, func() (bool, string) { return restarts() != before, before })
	b.k(t, "wait", "--for=condition=Ready", "pod/vk-1", "--timeout=30s")
}

func evict(t *testing.T, b bed, pod string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "eviction.json")
	body := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, namespace)
	if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := b.try("create", "--raw", "/api/v1/namespaces/"+namespace+"/pods/"+pod+"/eviction", "-f", file)
	return err
}

func eviction(t *testing.T, b bed) {
	before := b.k(t, "get", "pod", "vk-2", "-o", "jsonpath={.metadata.uid}")
	if err := evict(t, b, "vk-2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "vk-2 to be replaced", time.Minute, func() (bool, string) {
		uid, err := b.try("get", "pod", "vk-2", "-o", "jsonpath={.metadata.uid}")
		return err == nil && uid != before, uid
	})
	b.k(t, "wait", "--for=condition=Ready", "pod/vk-2", "--timeout=60s")
	b.k(t, "patch", "pdb", "vk", "--type=merge", "-p", `{"spec":{"minAvailable":3}}`)
	eventually(t, "the budget to be spent", 20*time.Second, func() (bool, string) {
		allowed := b.k(t, "get", "pdb", "vk", "-o", "jsonpath={.status.disruptionsAllowed}")
		return allowed == "0", allowed
	})
	if err := evict(t, b, "vk-2"); err == nil {
		t.Fatal("an eviction went through against its budget")
	}
}

func missingImage(t *testing.T, b bed) {
	b.k(t, "set", "image", "sts/vk", "valkey=registry.valkeeper.test/nothing:1")
	eventually(t, "the pull to fail", 30*time.Second, func() (bool, string) {
		reasons := b.k(t, "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}")
		return strings.Contains(reasons, "ErrImagePull") || strings.Contains(reasons, "ImagePullBackOff"), reasons
	})
	b.k(t, "set", "image", "sts/vk", "valkey=registry.valkeeper.test/valkey:9.1")
	// The pod that cannot start is not replaced by itself.
	b.k(t, "delete", "pods", "--all")
	b.k(t, "rollout", "status", "sts/vk", "--timeout=60s")
}

func cutAndHeal(t *testing.T, b bed) {
	address := b.k(t, "get", "pod", "vk-1", "-o", "jsonpath={.status.podIP}")
	must(t, b.command, "node", "cut", "node-2")
	if _, err := b.try("exec", "vk-0", "--", "timeout", "3", "valkey-cli", "-h", address, "ping"); err == nil {
		t.Error("a pod on a node that is cut off answered")
	}
	status := func() string {
		out, _ := b.try("get", "node", "node-2", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		return out
	}
	eventually(t, "node-2 to be missed", 2*time.Minute, func() (bool, string) { return status() == "Unknown", status() })
	must(t, b.command, "node", "heal", "node-2")
	eventually(t, "node-2 to be Ready again", time.Minute, func() (bool, string) { return status() == "True", status() })
	eventually(t, "its pod to answer", time.Minute, func() (bool, string) {
		out, err := b.try("exec", "vk-0", "--", "valkey-cli", "-t", "3", "-h", "vk-1.vk-h", "ping")
		return err == nil && strings.Contains(out, "PONG"), out
	})
}
