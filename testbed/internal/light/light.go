// Package light runs only an API server and its store, on loopback and as
// whoever asks: enough to see what a custom resource's validation says, and
// nothing that runs a pod.
package light

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/valkeeper/valkeeper/testbed/internal/cache"
	"github.com/valkeeper/valkeeper/testbed/internal/components"
	"github.com/valkeeper/valkeeper/testbed/internal/pki"
	"github.com/valkeeper/valkeeper/testbed/internal/process"
)

// server is one light API server: all of it is in its folder.
type server struct {
	dir  string
	bin  string
	book process.Book
}

func open(dir string) (server, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return server{}, err
	}
	return server{dir: absolute, book: process.Book{Dir: filepath.Join(absolute, "processes")}}, nil
}

func (s server) path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// Start starts a fresh API server and returns the path of its kubeconfig. One
// that runs in the folder already is used as it is.
func Start(ctx context.Context, store cache.Store, dir string, progress io.Writer) (kubeconfig string, err error) {
	s, err := open(dir)
	if err != nil {
		return "", err
	}
	if s.runs() {
		return s.path("kubeconfig"), nil
	}
	if err := Stop(ctx, dir); err != nil {
		return "", err
	}
	if s.bin, err = components.Ensure(ctx, store, components.ForAPIServer(), progress); err != nil {
		return "", err
	}
	// A port that was free a moment ago may be taken now: then once more.
	for range 3 {
		if err = s.start(ctx); err == nil {
			return s.path("kubeconfig"), nil
		}
		if cleanup := Stop(ctx, dir); cleanup != nil {
			return "", errors.Join(err, cleanup)
		}
	}
	return "", err
}

func (s server) runs() bool {
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if record, found, err := s.book.Find(name); err != nil || !found || !record.Alive() {
			return false
		}
	}
	_, err := os.Stat(s.path("kubeconfig"))
	return err == nil
}

func (s server) start(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	client := "http://127.0.0.1:" + strconv.Itoa(ports[0])
	peer := "http://127.0.0.1:" + strconv.Itoa(ports[1])
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	authority, err := s.certificates()
	if err != nil {
		return err
	}
	if _, err := s.book.Start(process.Spec{Name: "etcd", Log: s.path("etcd.log"), Args: []string{
		filepath.Join(s.bin, "etcd"), "--name=light", "--data-dir=" + s.path("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=light=" + peer,
		"--unsafe-no-fsync", "--log-level=warn",
	}}); err != nil {
		return err
	}
	if _, err := s.book.Start(process.Spec{Name: "kube-apiserver", Log: s.path("kube-apiserver.log"), Args: []string{
		filepath.Join(s.bin, "kube-apiserver"), "--etcd-servers=" + client,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(ports[2]),
		"--service-cluster-ip-range=10.203.0.0/16", "--authorization-mode=RBAC",
		// No controller makes service accounts here, so no pod may need one.
		"--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
		"--client-ca-file=" + authority.CertFile("ca"),
		"--tls-cert-file=" + authority.CertFile("server"), "--tls-private-key-file=" + authority.KeyFile("server"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + s.path("pki", "sa.pub"),
		"--service-account-signing-key-file=" + s.path("pki", "sa.key"), "--profiling=false",
	}}); err != nil {
		return err
	}
	if err := s.awaitReady(ctx, authority, ports[2]); err != nil {
		return err
	}
	return authority.WriteKubeconfig(s.path("kubeconfig"), "valkeeper-light", fmt.Sprintf("https://127.0.0.1:%d", ports[2]), "ca", "admin")
}

func (s server) certificates() (*pki.Authority, error) {
	authority, err := pki.Ensure(s.path("pki"), "ca")
	if err != nil {
		return nil, err
	}
	for name, id := range map[string]pki.Identity{
		"server": {CommonName: "kube-apiserver", Hosts: []string{"127.0.0.1", "localhost"}},
		"admin":  {CommonName: "admin", Organizations: []string{"system:masters"}},
	} {
		if err := authority.Issue(name, id); err != nil {
			return nil, err
		}
	}
	return authority, pki.EnsureSigningKey(s.path("pki"))
}

func (s server) awaitReady(ctx context.Context, authority *pki.Authority, port int) error {
	caPEM, err := os.ReadFile(authority.CertFile("ca"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(caPEM)
	pair, err := tls.LoadX509KeyPair(authority.CertFile("admin"), authority.KeyFile("admin"))
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
	deadline := time.Now().Add(time.Minute)
	for {
		err := ready(ctx, client, fmt.Sprintf("https://127.0.0.1:%d/readyz", port))
		if err == nil {
			return nil
		}
		record, _, findErr := s.book.Find("kube-apiserver")
		if findErr != nil || !record.Alive() || time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("the API server did not become ready: %w; its last words: %s", err, process.Tail(s.path("kube-apiserver.log"), 5))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func ready(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 2000))
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}

// freePorts finds ports on loopback that nobody listens on, all different.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// Held until all are found, so that none comes twice.
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Stop ends the API server of a folder and removes what it made there.
func Stop(ctx context.Context, dir string) error {
	s, err := open(dir)
	if err != nil {
		return err
	}
	for _, name := range []string{"kube-apiserver", "etcd"} {
		// Nothing of it is worth a graceful end: its data goes next.
		if err := s.book.Stop(ctx, name, 0); err != nil {
			return err
		}
	}
	for _, name := range []string{"etcd", "pki", "processes", "kubeconfig", "etcd.log", "kube-apiserver.log"} {
		if err := os.RemoveAll(s.path(name)); err != nil {
			return err
		}
	}
	return nil
}
