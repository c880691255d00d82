// Package network lays out the test bed's addresses and builds its network
// namespaces: one for the management of the cluster, one for each node, all
// joined by one bridge, and no way out of the machine.
package network

import (
	"fmt"
	"net/netip"
)

// Plan is who has which address. All of it lives in namespaces of the test
// bed, so it cannot clash with what the host's own network uses.
type Plan struct {
	Management netip.Addr
	Link       netip.Prefix
	Pods       netip.Prefix
	Services   netip.Prefix
	Nodes      []Node
}

// Node is one node's place in the plan.
type Node struct {
	Name    string
	Zone    string
	Address netip.Addr
	Pods    netip.Prefix
}

// Ports and addresses that several programs have to agree on.
const (
	APIServerPort = 6443
	Bridge        = "nodes"
	// ManagementNamespace is the network namespace of the control plane.
	ManagementNamespace = "valkeeper-management"
)

// DefaultPlan is the plan of a bed with the given number of nodes.
func DefaultPlan(nodes int) Plan {
	plan := Plan{
		Management: netip.MustParseAddr("10.201.0.1"),
		Link:       netip.MustParsePrefix("10.201.0.0/24"),
		Pods:       netip.MustParsePrefix("10.202.0.0/16"),
		Services:   netip.MustParsePrefix("10.203.0.0/16"),
	}
	for i := 1; i <= nodes; i++ {
		plan.Nodes = append(plan.Nodes, Node{
			Name:    fmt.Sprintf("node-%d", i),
			Zone:    fmt.Sprintf("zone-%c", 'a'+i-1),
			Address: netip.AddrFrom4([4]byte{10, 201, 0, byte(10 + i)}),
			Pods:    netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 202, byte(i), 0}), 24),
		})
	}
	return plan
}

// Node finds a node by its name.
func (p Plan) Node(name string) (Node, error) {
	for _, node := range p.Nodes {
		if node.Name == name {
			return node, nil
		}
	}
	return Node{}, fmt.Errorf("no node is named %q; the nodes are %s to %s", name, p.Nodes[0].Name, p.Nodes[len(p.Nodes)-1].Name)
}

// KubernetesService is the address of the service "kubernetes": by rule the
// first of the range.
func (p Plan) KubernetesService() netip.Addr { return p.Services.Addr().Next() }

// DNSService is the address that pods ask for names.
func (p Plan) DNSService() netip.Addr {
	base := p.Services.Addr().As4()
	return netip.AddrFrom4([4]byte{base[0], base[1], base[2], 10})
}

// APIServer is where the API server listens inside the bed.
func (p Plan) APIServer() netip.AddrPort {
	return netip.AddrPortFrom(p.Management, APIServerPort)
}

// Namespace is the name of the node's network namespace.
func (n Node) Namespace() string { return "valkeeper-" + n.Name }
