package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/valkey"
)

// aliases are the addresses behind the names that an instance's data nodes announce.
type aliases map[string]string

// aliasesOf are those of the pods that have an address.
func aliasesOf(v *v1alpha1.Valkey, pods []corev1.Pod) aliases {
	a := aliases{}
	if !v.Spec.IsSentinel() {
		return a
	}
	for i := range pods {
		if addr := address(pods[i].Status.PodIP); addr != "" {
			a[v.NodeHostname(pods[i].Name)] = addr
		}
	}
	return a
}

// at is the address of the node that goes by a name, with or without the domain of the
// Kubernetes cluster, or else what was said.
func (a aliases) at(said string) string {
	host, _, err := net.SplitHostPort(said)
	if len(a) == 0 || err != nil {
		return said
	}
	short := host
	if end := strings.Index(host, ".svc."); end >= 0 {
		short = host[:end+len(".svc")]
	}
	if addr, ours := a[short]; ours {
		return addr
	}
	return said
}

// translate replaces names by addresses in what a server says.
func (a aliases) translate(s *model.Server) {
	s.Follows = a.at(s.Follows)
	if len(a) == 0 || s.Acked == nil {
		return
	}
	acked := map[string]int64{}
	for name, offset := range s.Acked {
		addr := a.at(name)
		if before, twice := acked[addr]; !twice || offset < before {
			acked[addr] = offset
		}
	}
	s.Acked = acked
}

// sentinels are the Sentinels of an instance as Kubernetes shows them.
func (o Observer) sentinels(ctx context.Context, v *v1alpha1.Valkey, applied Applied) (model.SentinelSet, error) {
	if !v.Spec.IsSentinel() {
		return model.SentinelSet{}, nil
	}
	set, err := o.sentinelSet(ctx, v)
	if err != nil {
		return model.SentinelSet{}, err
	}
	list := &corev1.PodList{}
	if err := o.Reader.List(ctx, list, client.InNamespace(v.Namespace), client.MatchingLabels(v.SentinelSelector())); err != nil {
		return model.SentinelSet{}, fmt.Errorf("list Sentinel pods of %s: %w", instance(v), err)
	}
	out := model.SentinelSet{
		Name: v.SentinelName(), Exists: set != nil, Revision: revision(set, applied[v.SentinelName()]), Size: size(set),
		Wanted: int(v.Spec.SentinelCount()), Version: tagVersion(set),
		Settings: model.WatchSettings{Quorum: int(v.Spec.Sentinel.QuorumOrDefault()),
			DownAfter: v.Spec.Sentinel.DownAfterOrDefault(), FailoverTimeout: v.Spec.Sentinel.FailoverTimeoutOrDefault()},
	}
	pods := nodes(out.Name, out.Size, list.Items, o.Now())
	o.Absences.fill(ctx, instance(v), set, pods, o.Now())
	for _, n := range pods {
		if host, _, err := net.SplitHostPort(n.Address); err == nil {
			n.Address = net.JoinHostPort(host, strconv.Itoa(v1alpha1.SentinelPort))
		}
		out.Nodes = append(out.Nodes, model.SentinelNode{Ref: n.Ref, Ordinal: n.Ordinal, Host: n.Host, Phase: n.Phase, Ready: n.Ready,
			Revision: n.Revision, Dead: n.Dead, Trouble: n.Trouble, AbsentFor: n.AbsentFor})
	}
	return out, nil
}

func (o Observer) sentinelSet(ctx context.Context, v *v1alpha1.Valkey) (*appsv1.StatefulSet, error) {
	sts := &appsv1.StatefulSet{}
	err := o.Reader.Get(ctx, client.ObjectKey{Namespace: v.Namespace, Name: v.SentinelName()}, sts)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read StatefulSet %s/%s: %w", v.Namespace, v.SentinelName(), err)
	case !metav1.IsControlledBy(sts, v):
		return nil, nil // somebody else's: the controller says so
	}
	return sts, nil
}

// tagVersion is the version in the tag of the newest template's image, empty if the
// tag does not begin with one.
func tagVersion(set *appsv1.StatefulSet) string {
	if set == nil || len(set.Spec.Template.Spec.Containers) == 0 {
		return ""
	}
	image, _, _ := strings.Cut(set.Spec.Template.Spec.Containers[0].Image, "@")
	slash := strings.LastIndexByte(image, '/')
	_, tag, tagged := strings.Cut(image[slash+1:], ":")
	if !tagged {
		return ""
	}
	end := strings.IndexFunc(tag, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		tag = tag[:end]
	}
	return strings.Trim(tag, ".")
}

// askSentinels asks every Sentinel at once. What a fresh one says of its version is
// truer than its image's tag.
func (o Observer) askSentinels(ctx context.Context, r round, name string, set *model.SentinelSet) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i := range set.Nodes {
		n := &set.Nodes[i]
		if n.UID == "" || n.Address == "" {
			continue
		}
		wg.Go(func() {
			asked, patient := o.Silence.ask(n.UID)
			ctx, cancel := context.WithTimeout(ctx, patience(n.Dead, n.Phase, patient))
			defer cancel()
			heard := o.askSentinel(ctx, r, name, n)
			o.Silence.note(r.instance, n.UID, heard, asked)
		})
	}
	wg.Wait()
	for _, n := range set.Nodes {
		if n.Answered && set.Revision != "" && n.Revision == set.Revision {
			set.Version = n.Version
		}
	}
}

// askSentinel fills in what a Sentinel says, and says whether anything was heard of it.
func (o Observer) askSentinel(ctx context.Context, r round, name string, n *model.SentinelNode) (heard bool) {
	said, err := o.sentinel(ctx, r, name, *n)
	switch {
	case err == nil:
		*n = said
		n.Dead = false
	case errors.Is(err, valkey.ErrRefused):
		o.Servers.Drop(n.UID)
		n.Dead = n.Dead || n.Phase == model.PodTerminating
	case valkey.Answered(err):
		o.Servers.Drop(n.UID)
		n.Dead, n.Trouble = false, "it answers the operator with an error: "+err.Error()
	default:
		o.Servers.Drop(n.UID)
		return false
	}
	return true
}

// sentinel is a node with all that it says.
func (o Observer) sentinel(ctx context.Context, r round, name string, n model.SentinelNode) (model.SentinelNode, error) {
	conn, err := o.Servers.Get(ctx, r.instance, n.UID, n.Address, r.creds)
	if err != nil {
		return n, err
	}
	info, err := conn.SentinelInfo(ctx)
	if err != nil {
		return n, err
	}
	if n.ID, err = conn.SentinelID(ctx); err != nil {
		return n, err
	}
	n.Version, n.Tilt, n.Answered = info.Version, info.Tilt, true
	n.Watch, err = watch(ctx, conn, name, r.aliases)
	return n, err
}

// watch is what a Sentinel says of the primary, nil when it watches none.
func watch(ctx context.Context, conn *valkey.Node, name string, a aliases) (*model.Watch, error) {
	primary, err := conn.SentinelPrimary(ctx, name)
	if errors.Is(err, valkey.ErrNoSuchPrimary) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	replicas, err := conn.SentinelReplicas(ctx, name)
	if err != nil {
		return nil, err
	}
	peers, err := conn.SentinelPeers(ctx, name)
	if err != nil {
		return nil, err
	}
	w := &model.Watch{
		Primary: a.at(net.JoinHostPort(primary.Host, strconv.Itoa(primary.Port))), Epoch: primary.ConfigEpoch,
		Settings:  model.WatchSettings{Quorum: primary.Quorum, DownAfter: primary.DownAfter, FailoverTimeout: primary.FailoverTimeout},
		SilentFor: primary.AnswerAge,
		Down:      primary.Flags.Down, FailingOver: primary.Flags.FailoverInProgress || primary.FailoverState != "",
		Coordinated: primary.Flags.Coordinated,
	}
	for _, r := range replicas {
		w.Replicas = append(w.Replicas, model.WatchedReplica{Address: a.at(net.JoinHostPort(r.Host, strconv.Itoa(r.Port))),
			Down: r.Flags.Down || r.Flags.Disconnected, Chosen: r.Flags.Promoted, Priority: r.Priority})
	}
	for _, p := range peers {
		w.Others = append(w.Others, model.WatchedSentinel{ID: p.ID, Down: p.Flags.Down || p.Flags.Disconnected, SilentFor: p.AnswerAge})
	}
	if err := conn.SentinelCheckQuorum(ctx, name); errors.Is(err, valkey.ErrNoQuorum) {
		w.NoQuorum = err.Error()
	} else if err != nil {
		return nil, err
	}
	return w, nil
}
