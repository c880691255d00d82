package bed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
	"github.com/valkeeper/valkeeper/testbed/internal/process"
)

// managementMounts gives the management namespace the cluster's own resolver,
// so that what runs in it can use the names of services.
const managementMounts = `
mount --bind "$1" /etc/resolv.conf
`

func (b *Bed) startManagement(ctx context.Context) error {
	if err := network.EnsureManagement(ctx, b.Plan); err != nil {
		return err
	}
	if err := b.tree.Create(managementCgroup); err != nil {
		return err
	}
	resolver := filepath.Join(dataDir, "resolv.conf")
	text := fmt.Sprintf("nameserver %s\nsearch cluster.local svc.cluster.local\noptions ndots:5\n", b.Plan.Management)
	if err := os.WriteFile(resolver, []byte(text), 0o644); err != nil {
		return err
	}
	// Slave: what the host mounts later shows inside, never the reverse.
	return b.ensureMountNamespace(ctx, "management", "slave", managementMounts, resolver)
}

// ensureProcess starts a process unless it runs.
func (b *Bed) ensureProcess(spec process.Spec) error {
	record, found, err := b.book.Find(spec.Name)
	if err != nil {
		return err
	}
	if found && record.Alive() {
		return nil
	}
	spec.Log = logPath(spec.Name)
	_, err = b.book.Start(spec)
	return err
}

func (b *Bed) managed(name, program string, args ...string) process.Spec {
	return process.Spec{
		Name: name, Enter: b.enter(b.management()),
		Args: append([]string{filepath.Join(b.state.Bin, program)}, args...),
	}
}

func (b *Bed) startStore() error {
	return b.ensureProcess(b.managed("etcd", "etcd",
		"--name=testbed", "--data-dir="+filepath.Join(dataDir, "etcd"),
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=testbed=http://127.0.0.1:2380",
		// The bed need not outlive a crash of the machine; writing to disk
		// each time would cost more than all the rest.
		"--unsafe-no-fsync", "--log-level=warn",
	))
}

func (b *Bed) startAPIServer() error {
	crt := func(name string) string { return filepath.Join(pkiDir(), name+".crt") }
	key := func(name string) string { return filepath.Join(pkiDir(), name+".key") }
	return b.ensureProcess(b.managed("kube-apiserver", "kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379",
		"--bind-address="+b.Plan.Management.String(), "--advertise-address="+b.Plan.Management.String(),
		fmt.Sprintf("--secure-port=%d", network.APIServerPort),
		"--service-cluster-ip-range="+b.Plan.Services.String(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--client-ca-file="+crt("ca"), "--tls-cert-file="+crt("apiserver"), "--tls-private-key-file="+key("apiserver"),
		"--kubelet-certificate-authority="+crt("ca"), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate="+crt("apiserver-kubelet-client"), "--kubelet-client-key="+key("apiserver-kubelet-client"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+filepath.Join(pkiDir(), "sa.pub"), "--service-account-signing-key-file="+key("sa"),
		"--requestheader-client-ca-file="+crt("front-proxy-ca"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file="+crt("front-proxy-client"), "--proxy-client-key-file="+key("front-proxy-client"),
		"--allow-privileged=true", "--profiling=false",
	))
}

// startControllers starts what decides, once the API server answers: before,
// they would only fill their logs.
func (b *Bed) startControllers() error {
	kubeconfig := func(name string) string { return filepath.Join(dataDir, "kubeconfigs", name) }
	common := func(name string) []string {
		return []string{
			"--kubeconfig=" + kubeconfig(name), "--authentication-kubeconfig=" + kubeconfig(name), "--authorization-kubeconfig=" + kubeconfig(name),
			"--bind-address=127.0.0.1", "--profiling=false",
			// There is one of each: a lease would be written every two seconds
			// for nobody.
			"--leader-elect=false",
		}
	}
	manager := append(common("controller-manager"),
		"--service-account-private-key-file="+filepath.Join(pkiDir(), "sa.key"), "--root-ca-file="+filepath.Join(pkiDir(), "ca.crt"),
		"--cluster-signing-cert-file="+filepath.Join(pkiDir(), "ca.crt"), "--cluster-signing-key-file="+filepath.Join(pkiDir(), "ca.key"),
		"--use-service-account-credentials=true", "--cluster-cidr="+b.Plan.Pods.String(),
	)
	specs := []process.Spec{
		b.managed("kube-controller-manager", "kube-controller-manager", manager...),
		b.managed("kube-scheduler", "kube-scheduler", common("scheduler")...),
		b.managed("coredns", "coredns", "-conf", filepath.Join(dataDir, "Corefile")),
		b.managed("provisioner", "provisioner",
			"--kubeconfig="+kubeconfig("provisioner"), "--name="+provisionerName, "--disks="+filepath.Join(dataDir, "nodes")),
		b.managed("kube-proxy", "kube-proxy", "--config="+filepath.Join(dataDir, "kube-proxy.yaml"), "--v=0"),
	}
	if err := b.writeManagementConfig(kubeconfig); err != nil {
		return err
	}
	for _, spec := range specs {
		if err := b.ensureProcess(spec); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bed) writeManagementConfig(kubeconfig func(string) string) error {
	dns := templateValues{Plan: b.Plan, Kubeconfig: kubeconfig("coredns")}
	if err := render("Corefile", filepath.Join(dataDir, "Corefile"), dns); err != nil {
		return err
	}
	// A kube-proxy waits half a minute for the node that it is named after, so
	// this one borrows a node's name. It decides only what "local" means.
	proxy := templateValues{Plan: b.Plan, Address: b.Plan.Management, NodeName: b.Plan.Nodes[0].Name, Kubeconfig: kubeconfig("kube-proxy")}
	if err := render("kube-proxy.yaml", filepath.Join(dataDir, "kube-proxy.yaml"), proxy); err != nil {
		return err
	}
	return nil
}

// kubectl runs the bed's kubectl against it from the host.
func (b *Bed) kubectl(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.state.Bin, "kubectl"), append([]string{"--kubeconfig", b.Kubeconfig()}, args...)...)
	if stdin != nil {
		cmd.Stdin = strings.NewReader(string(stdin))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// await polls until something holds, and says what it waited for when it does
// not within the limit.
func await(ctx context.Context, what string, limit, every time.Duration, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, limit, err)
		case <-time.After(every):
		}
	}
}

func (b *Bed) awaitAPIServer(ctx context.Context) error {
	return await(ctx, "the API server to be ready (see `testbed logs kube-apiserver`)", time.Minute, 200*time.Millisecond, func(ctx context.Context) error {
		record, found, err := b.book.Find("kube-apiserver")
		if err != nil {
			return err
		}
		if !found || !record.Alive() {
			return fmt.Errorf("it has ended: %s", process.Tail(logPath("kube-apiserver"), 3))
		}
		_, err = b.kubectl(ctx, nil, "get", "--raw", "/readyz")
		return err
	})
}

func (b *Bed) applyManifests(ctx context.Context) error {
	text, err := renderText("manifests.yaml", templateValues{Plan: b.Plan, ProvisionerName: provisionerName})
	if err != nil {
		return err
	}
	_, err = b.kubectl(ctx, text, "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}
