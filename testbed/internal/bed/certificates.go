package bed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
	"github.com/valkeeper/valkeeper/testbed/internal/pki"
)

const contextName = "valkeeper-testbed"

// identities are the certificates of the control plane, by file name.
func (b *Bed) identities() map[string]pki.Identity {
	ids := map[string]pki.Identity{
		"apiserver": {CommonName: "kube-apiserver", Hosts: []string{
			"127.0.0.1", "localhost", b.Plan.Management.String(), b.Plan.KubernetesService().String(),
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}},
		"apiserver-kubelet-client": {CommonName: "kube-apiserver", Organizations: []string{"system:masters"}},
		"admin":                    {CommonName: "admin", Organizations: []string{"system:masters"}},
		"controller-manager":       {CommonName: "system:kube-controller-manager"},
		"scheduler":                {CommonName: "system:kube-scheduler"},
		"kube-proxy":               {CommonName: "system:kube-proxy"},
		"coredns":                  {CommonName: "testbed:coredns"},
		"provisioner":              {CommonName: "testbed:provisioner"},
	}
	for _, node := range b.Plan.Nodes {
		ids[node.Name] = pki.Identity{
			CommonName: "system:node:" + node.Name, Organizations: []string{"system:nodes"},
			Hosts: []string{node.Name, node.Address.String()},
		}
	}
	return ids
}

// issueCertificates makes all certificates and the kubeconfigs that hold them.
func (b *Bed) issueCertificates() (*pki.Authority, error) {
	authority, err := pki.Ensure(pkiDir(), "ca")
	if err != nil {
		return nil, err
	}
	// The aggregation layer has an authority of its own: whoever it signs may
	// speak as anybody.
	front, err := pki.Ensure(pkiDir(), "front-proxy-ca")
	if err != nil {
		return nil, err
	}
	if err := front.Issue("front-proxy-client", pki.Identity{CommonName: "front-proxy-client"}); err != nil {
		return nil, err
	}
	if err := pki.EnsureSigningKey(pkiDir()); err != nil {
		return nil, err
	}
	kubeconfigs := filepath.Join(dataDir, "kubeconfigs")
	if err := os.MkdirAll(kubeconfigs, 0o755); err != nil {
		return nil, err
	}
	server := "https://" + b.Plan.APIServer().String()
	for name, id := range b.identities() {
		if err := authority.Issue(name, id); err != nil {
			return nil, err
		}
		if err := authority.WriteKubeconfig(filepath.Join(kubeconfigs, name), contextName, server, "ca", name); err != nil {
			return nil, err
		}
	}
	return authority, nil
}

// writeNodeConfig puts what a node needs where it sees it.
func (b *Bed) writeNodeConfig(node network.Node, runc string) error {
	dir := nodeConfig(node.Name)
	if err := os.MkdirAll(filepath.Join(dir, "cni"), 0o755); err != nil {
		return err
	}
	copies := map[string]string{
		filepath.Join(pkiDir(), "ca.crt"):                   "ca.crt",
		filepath.Join(pkiDir(), node.Name+".crt"):           "kubelet.crt",
		filepath.Join(pkiDir(), node.Name+".key"):           "kubelet.key",
		filepath.Join(dataDir, "kubeconfigs", node.Name):    "kubelet.kubeconfig",
		filepath.Join(dataDir, "kubeconfigs", "kube-proxy"): "kube-proxy.kubeconfig",
	}
	for source, name := range copies {
		raw, err := os.ReadFile(source)
		if err != nil {
			return fmt.Errorf("configuration of %s: %w", node.Name, err)
		}
		if err := writeIfChanged(filepath.Join(dir, name), raw, 0o600); err != nil {
			return err
		}
	}
	values := templateValues{Plan: b.Plan, Node: node, Runc: runc, PauseImage: PauseImage, CgroupRoot: nodeCgroup(node.Name)}
	proxy := values
	proxy.Address, proxy.NodeName, proxy.Kubeconfig = node.Address, node.Name, "/run/testbed/etc/kube-proxy.kubeconfig"
	return errors.Join(
		render("containerd.toml", filepath.Join(dir, "containerd.toml"), values),
		render("kubelet.yaml", filepath.Join(dir, "kubelet.yaml"), values),
		render("cni.conflist", filepath.Join(dir, "cni", "pods.conflist"), values),
		render("kube-proxy.yaml", filepath.Join(dir, "kube-proxy.yaml"), proxy),
		writeIfChanged(filepath.Join(dir, "resolv.conf"), []byte("# no way out\n"), 0o644),
	)
}
