package bed

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const whole = `a 10.0.0.1:6379@16379,cache-shard-0-0 myself,master - 0 0 1 connected 0-8191
b 10.0.0.2:6379@16379 slave a 0 1 1 connected
c 10.0.0.3:6379@16379 master - 0 1 2 connected 8192-16382 16383
d 10.0.0.4:6379@16379 slave c 0 1 2 connected
`

func podsOf(names ...string) []corev1.Pod {
	var pods []corev1.Pod
	for i, name := range names {
		shard, _, _ := strings.Cut(name, "-")
		pods = append(pods, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.ShardLabel: shard}},
			Status:     corev1.PodStatus{PodIP: "10.0.0." + string(rune('1'+i))},
		})
	}
	return pods
}

// A check that finds nothing proves nothing unless it finds what is there.
func TestEveryFlawOfAViewIsFound(t *testing.T) {
	four := podsOf("0-0", "0-1", "1-0", "1-1")
	for _, c := range []struct {
		name, from, to string
		pods           []corev1.Pod
		says           string
	}{
		{name: "a whole cluster", pods: four},
		{name: "a ghost", pods: four, from: "d 10.0.0.4", to: "e 10.0.0.9:6379@16379 master,fail - 0 0 0 disconnected\nd 10.0.0.4", says: "no pod"},
		{name: "an address that is over", pods: four, from: "10.0.0.4", to: "10.0.0.9", says: "does not know 1-1"},
		{name: "one without an address", pods: four, from: "10.0.0.4:6379@16379 slave", to: ":0@0 slave,noaddr", says: "noaddr"},
		{name: "one that failed", pods: four, from: "10.0.0.3:6379@16379 master", to: "10.0.0.3:6379@16379 master,fail", says: "sees 1-0 as master,fail"},
		{name: "a broken link", pods: four, from: "0 1 1 connected", to: "0 1 1 disconnected", says: "linked false"},
		{name: "slots without an owner", pods: four, from: " 16383\n", to: "\n", says: "16383 slots"},
		{name: "an open slot", pods: four, from: "0-8191", to: "0-8191 [7->-c]", says: "[7->-c]"},
		{name: "a pod that nobody knows", pods: podsOf("0-0", "0-1", "1-0", "1-1", "1-2"), says: "does not know 1-2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			view, err := parseMembers(strings.Replace(whole, c.from, c.to, 1))
			if err != nil {
				t.Fatal(err)
			}
			flaws := flawsOf(view, c.pods)
			if c.says == "" && len(flaws) > 0 {
				t.Errorf("flaws where there are none: %q", flaws)
			}
			if !slices.ContainsFunc(flaws, func(f string) bool { return strings.Contains(f, c.says) }) && c.says != "" {
				t.Errorf("flaws %q, none says %q", flaws, c.says)
			}
		})
	}
}

func TestAShardIsTornWhenItsServersDoNotBelongTogether(t *testing.T) {
	pods := podsOf("0-0", "0-1", "1-0", "1-1")
	for _, c := range []struct {
		name, primary1 string
		says           string
	}{
		{"whole", "c", ""},
		{"a replica of another shard", "a", "1-1 follows a"},
		{"a replica of nobody", "-", "1-1 follows nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			views := map[string][]Member{}
			for i, myself := range []string{
				"a 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-8191",
				"b 10.0.0.2:6379@16379 myself,slave a 0 0 1 connected",
				"c 10.0.0.3:6379@16379 myself,master - 0 0 1 connected 8192-16383",
				"d 10.0.0.4:6379@16379 myself,slave " + c.primary1 + " 0 0 1 connected",
			} {
				view, err := parseMembers(myself)
				if err != nil {
					t.Fatal(err)
				}
				views[pods[i].Name] = view
			}
			torn := strings.Join(tornShards(views, pods), "; ")
			if (c.says == "") != (torn == "") || !strings.Contains(torn, c.says) {
				t.Errorf("torn: %q, wanted %q", torn, c.says)
			}
		})
	}
}
