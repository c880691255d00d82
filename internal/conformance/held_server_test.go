package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/render"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// clusterPod is a server of a Cluster as it runs in its pod: settings, users and
// start.sh are those that the operator renders. Its folder outlives restarts, as
// an emptyDir does that of its container.
type clusterPod struct {
	*Server
	// bare starts the server without start.sh: the control.
	bare        bool
	persistence v1alpha1.PersistenceMode
}

// keyOfShard0 begins with a tag in slot 0.
const keyOfShard0 = "{06S}"

// newPod prepares one. fields are more of its spec.
func newPod(t *testing.T, version Version, fields string) *clusterPod {
	t.Helper()
	p := &clusterPod{Server: New(t, Spec{Version: version})}
	v := &v1alpha1.Valkey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart"}}
	spec := `{topology: Cluster, config: {cluster-node-timeout: "2000"}, ` + fields + `}`
	if err := yaml.UnmarshalStrict([]byte(spec), &v.Spec); err != nil {
		t.Fatal(err)
	}
	p.persistence = v.Spec.PersistenceMode()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s:\n%s", p.Addr(), p.LogTail(25))
		}
	})
	random := render.Passwords{Default: "d", Operator: "o", Replication: "r", Migration: "m", Stop: "s"}
	rendered, err := render.Objects(v, render.Inputs{Site: render.Site{ImageRepository: "valkey"}, Random: random})
	if err != nil {
		t.Fatal(err)
	}
	_, bus := freeAddress(t)
	conf := strings.NewReplacer(
		"/etc/valkey", p.Dir, "dir /data", "dir "+p.file("data"),
		"port 6379", fmt.Sprintf("port %d\ncluster-port %d", p.Port, bus),
		"bind * -::*", "bind "+p.Host+"\nbind-source-addr "+p.Host,
	).Replace(rendered.ConfigMap.Data["valkey.conf"])
	p.write("valkey.conf", conf)
	p.write("start.sh", rendered.ConfigMap.Data["start.sh"])
	for file, content := range rendered.SystemSecret.Data {
		p.write("secret/"+file, withTestUser(file, string(content), random))
	}
	p.write("data/lost+found", "")
	p.write("bin/valkey-server", "#!/bin/sh\nexec '"+strings.Join(serverCommand(p.root), "' '")+`' "$@"`+"\n")
	if err := os.Chmod(p.file("bin/valkey-server"), 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// withTestUser gives every user the password of these tests, and adds the one
// who may do everything.
func withTestUser(file, content string, random render.Passwords) string {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	for _, password := range []string{random.Operator, random.Replication, random.Migration} {
		content = strings.ReplaceAll(content, hash(password), hash(Password))
	}
	content = strings.ReplaceAll(content, "primaryauth "+random.Replication, "primaryauth "+Password)
	if strings.HasSuffix(file, ".acl") {
		content += "user " + valkey.ACLLine(TestUser, hash(Password), []string{"~*", "&*", "+@all"}) + "\n"
	}
	return content
}

func (p *clusterPod) file(name string) string { return filepath.Join(p.Dir, name) }

func (p *clusterPod) write(name, content string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.file(name)), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.file(name), []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// patient lets the server take others for dead after a minute, from its next
// start on.
func (p *clusterPod) patient() {
	p.t.Helper()
	conf, err := os.ReadFile(p.file("valkey.conf"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("valkey.conf", strings.Replace(string(conf), "cluster-node-timeout 2000", "cluster-node-timeout 60000", 1))
}

// start starts the pod's container and waits until its server answers.
func (p *clusterPod) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	command := append(p.shell(), p.file("start.sh"))
	if p.bare {
		command = []string{p.file("bin/valkey-server"), p.file("valkey.conf"), "--cluster-announce-ip", p.Host, "--aclfile", p.file("secret/users.acl")}
	}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env = []string{"PATH=" + p.file("bin") + ":" + os.Getenv("PATH"), "VALKEY_CONF=" + p.Dir, "VALKEY_DATA=" + p.file("data"),
		"PERSISTENCE=" + string(p.persistence), "POD_IP=" + p.Host, "ANNOUNCE_HOSTNAME=cart-shard-0-0.cart-nodes.shop.svc"}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(p.cmd, p.exited)
	Eventually(p.t, p.Addr()+" answers", func() bool {
		if !p.running() {
			p.t.Fatalf("it ended at its start:\n%s", p.LogTail(10))
		}
		_, ok := p.Info()
		return ok
	})
}

// shell is the one of the image for 9.1, this machine's for 8.1.
func (p *clusterPod) shell() []string {
	command := serverCommand(p.root)
	busybox := filepath.Join(p.root, "usr/bin/busybox")
	if _, err := os.Stat(busybox); err != nil || p.Spec.Version != V91 {
		return []string{"sh"}
	}
	return append(command[:len(command)-1], busybox, "sh")
}

// restart is what happens to a container that is killed: the next one starts at
// once, at the same address.
func (p *clusterPod) restart() {
	p.t.Helper()
	p.Kill()
	p.start()
}

// onDisk waits until the log has everything: while an older part of it is being
// synced, what is acknowledged waits in memory for up to two seconds.
func (p *clusterPod) onDisk() {
	p.t.Helper()
	p.waitIdleDisk()
	Eventually(p.t, p.Addr()+" has written its log", func() bool {
		text := p.Must("INFO", "persistence")
		return strings.Contains(text, "aof_buffer_length:0") && strings.Contains(text, "aof_pending_bio_fsync:0")
	})
}

// view is what the operator sees of the server.
func (p *clusterPod) view() (valkey.View, bool) {
	node, err := p.dialNode()
	if err != nil {
		return valkey.View{}, false
	}
	defer node.Close()
	view, err := node.View(context.Background())
	return view, err == nil
}

// self is the server's own line of CLUSTER NODES.
func (p *clusterPod) self() valkey.ClusterNode {
	view, _ := p.view()
	for _, n := range view.Nodes {
		if n.Myself {
			return n
		}
	}
	return valkey.ClusterNode{}
}

// isHeld says that the server is held back, and has loaded what it has.
func (p *clusterPod) isHeld() bool {
	view, ok := p.view()
	i := view.Info
	return ok && !i.ClusterEnabled && !i.Loading && i.Role == valkey.RoleReplica && i.PrimaryHost == "127.0.0.1" && i.PrimaryPort == 1
}

// waitHeld waits until the server is held back.
func (p *clusterPod) waitHeld() {
	p.t.Helper()
	Eventually(p.t, p.Addr()+" is held back", func() bool {
		if view, ok := p.view(); ok && view.Info.ClusterEnabled {
			p.t.Fatalf("it has joined:\n%s", p.LogTail(10))
		}
		return p.isHeld()
	})
}

// isPrimaryOfShard0 says that the server is primary and has shard 0's slots.
func (p *clusterPod) isPrimaryOfShard0() bool {
	self := p.self()
	return self.Primary && len(self.Slots) == 1 && self.Slots[0].First == 0
}

// isSyncedWith says that the server follows that one, over a link that is up.
func (p *clusterPod) isSyncedWith(primary *clusterPod) bool {
	view, ok := p.view()
	return ok && view.Info.ClusterEnabled && view.Info.Role == valkey.RoleReplica &&
		view.Info.PrimaryHost == primary.Host && view.Info.PrimaryPort == primary.Port && view.Info.LinkUp
}

// release lets a held server go.
func (p *clusterPod) release() {
	p.t.Helper()
	if err := p.Node().Shutdown(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

// formPods starts a cluster of three shards by what the operator may do; shard 0
// has one replica. It gives shard 0's primary and replica, and all four.
func formPods(t *testing.T, version Version, fields string) (primary, replica *clusterPod, all []*clusterPod) {
	t.Helper()
	ctx := context.Background()
	for range 4 {
		p := newPod(t, version, fields)
		p.start()
		all = append(all, p)
	}
	shards := []valkey.SlotRange{{First: 0, Last: 5460}, {First: 5461, Last: 10922}, {First: 10923, Last: 16383}}
	for i, slots := range shards {
		node := all[i].Node()
		if err := node.SetConfigEpoch(ctx, int64(i+1)); err != nil {
			t.Fatal(err)
		}
		if err := node.AddSlots(ctx, []valkey.SlotRange{slots}); err != nil {
			t.Fatal(err)
		}
	}
	primary, replica = all[0], all[3]
	for _, other := range all[1:] {
		// With its bus port, which in a pod is the usual one.
		primary.Must("CLUSTER", "MEET", other.Host, strconv.Itoa(other.Port), strconv.Itoa(other.self().BusPort))
	}
	id := primary.self().ID
	Eventually(t, "the replica knows the primary", func() bool { return replica.Node().Replicate(ctx, id) == nil })
	Eventually(t, "the cluster is formed", func() bool {
		for _, p := range all {
			view, ok := p.view()
			if !ok || !view.Cluster.OK || len(view.Nodes) != 4 {
				return false
			}
		}
		return replica.isSyncedWith(primary)
	})
	return primary, replica, all
}

// put writes keys to shard 0's primary and waits until a replica has them.
func put(t *testing.T, p *clusterPod, name string, count int) {
	t.Helper()
	conn, err := DialWire(p.Server, TestUser)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range count {
		if _, err := conn.Do("SET", keyOfShard0+name+strconv.Itoa(i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := conn.Do("WAIT", "1", "10000"); err != nil || n == "0" {
		t.Fatalf("no replica has the keys: %s, %v", n, err)
	}
}

// missing counts the keys that put has written and that the server does not have.
func missing(t *testing.T, p *clusterPod, name string, count int) int {
	t.Helper()
	conn, err := DialWire(p.Server, TestUser)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Do("READONLY"); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for i := range count {
		n, err := conn.Do("EXISTS", keyOfShard0+name+strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		if n != "1" {
			lost++
		}
	}
	return lost
}

// since is a time to print, in milliseconds.
func since(began time.Time) string { return time.Since(began).Round(time.Millisecond).String() }

// listens says whether anybody accepts connections there.
func listens(host string, port int) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
