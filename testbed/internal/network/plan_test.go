package network

import "testing"

func TestNoTwoThingsShareAnAddress(t *testing.T) {
	plan := DefaultPlan(3)
	seen := map[string]string{plan.Management.String(): "management"}
	for i, node := range plan.Nodes {
		if !plan.Link.Contains(node.Address) {
			t.Errorf("%s is outside the link's network", node.Name)
		}
		if !plan.Pods.Overlaps(node.Pods) {
			t.Errorf("pods of %s are outside the pods' network", node.Name)
		}
		if other, taken := seen[node.Address.String()]; taken {
			t.Errorf("%s has the address of %s", node.Name, other)
		}
		seen[node.Address.String()] = node.Name
		for _, other := range plan.Nodes[:i] {
			if node.Pods.Overlaps(other.Pods) || node.Zone == other.Zone {
				t.Errorf("%s and %s share pods or a zone", node.Name, other.Name)
			}
		}
	}
	if plan.Pods.Overlaps(plan.Services) || plan.Pods.Overlaps(plan.Link) || plan.Services.Overlaps(plan.Link) {
		t.Error("networks overlap")
	}
}

func TestWellKnownServices(t *testing.T) {
	plan := DefaultPlan(3)
	if got := plan.KubernetesService().String(); got != "10.203.0.1" {
		t.Errorf("kubernetes is %s", got)
	}
	if got := plan.DNSService().String(); got != "10.203.0.10" {
		t.Errorf("DNS is %s", got)
	}
	if _, err := plan.Node("node-9"); err == nil {
		t.Error("a node that is not there was found")
	}
}
