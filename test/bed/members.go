package bed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// Member is a line of a server's CLUSTER NODES: what it knows of another, or
// says of itself. It is read here once more, so that nobody's eyes but ours are
// relied on.
type Member struct {
	ID, IP string
	Flags  []string
	// Primary is the id of the one that it follows, empty for none.
	Primary string
	Linked  bool
	Slots   int
	// Open are slots that are on their way, as the server writes them.
	Open []string
}

// Is says that a member has a flag.
func (m Member) Is(flag string) bool { return slices.Contains(m.Flags, flag) }

// Members asks a pod's server whom it knows.
func (i *Instance) Members(ctx context.Context, pod string) ([]Member, error) {
	out, err := i.Command(ctx, pod, "CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	return parseMembers(out)
}

func parseMembers(text string) ([]Member, error) {
	var all []Member
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 8 {
			return nil, fmt.Errorf("CLUSTER NODES says %q", strings.TrimSpace(line))
		}
		ip, _, _ := strings.Cut(words[1], ":")
		m := Member{ID: words[0], IP: ip, Flags: strings.Split(words[2], ","), Linked: words[7] == "connected"}
		if words[3] != "-" {
			m.Primary = words[3]
		}
		for _, word := range words[8:] {
			if strings.HasPrefix(word, "[") {
				m.Open = append(m.Open, word)
				continue
			}
			n, err := rangeLength(word)
			if err != nil {
				return nil, fmt.Errorf("CLUSTER NODES says %q: %w", strings.TrimSpace(line), err)
			}
			m.Slots += n
		}
		all = append(all, m)
	}
	return all, nil
}

func rangeLength(word string) (int, error) {
	first, last, more := strings.Cut(word, "-")
	if !more {
		last = first
	}
	from, err := strconv.Atoi(first)
	if err != nil {
		return 0, err
	}
	to, err := strconv.Atoi(last)
	return to - from + 1, err
}

// Flaws are what keeps a cluster from being whole, in words: a server that knows
// others than those there are, or under another address, or does not reach them;
// slots that nobody owns or that are on their way; a shard whose servers do not
// belong together. Every server is asked, and has to see it alike.
func (i *Instance) Flaws(ctx context.Context) ([]string, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return nil, err
	}
	pods, err := i.Pods(ctx)
	if err != nil {
		return nil, err
	}
	var flaws []string
	if want := int(v.Spec.NodeCount() * v.Spec.ShardCount()); len(pods) != want {
		flaws = append(flaws, fmt.Sprintf("there are %d pods, wished are %d", len(pods), want))
	}
	views := map[string][]Member{}
	for _, p := range pods {
		if views[p.Name], err = i.Members(ctx, p.Name); err != nil {
			flaws = append(flaws, err.Error())
		}
	}
	for _, p := range pods {
		for _, flaw := range flawsOf(views[p.Name], pods) {
			flaws = append(flaws, p.Name+": "+flaw)
		}
	}
	return append(flaws, tornShards(views, pods)...), nil
}

// flawsOf is what is wrong with what one server sees.
func flawsOf(view []Member, pods []corev1.Pod) []string {
	var flaws []string
	at := map[string]string{} // pod by address
	for _, p := range pods {
		at[p.Status.PodIP] = p.Name
	}
	slots := 0
	for _, m := range view {
		name, ours := at[m.IP]
		if !ours {
			flaws = append(flaws, fmt.Sprintf("knows %s at %q, which is no pod (%s)", m.ID, m.IP, strings.Join(m.Flags, ",")))
			continue
		}
		delete(at, m.IP)
		if m.Is("fail") || m.Is("fail?") || m.Is("handshake") || m.Is("noaddr") || (!m.Linked && !m.Is("myself")) {
			flaws = append(flaws, fmt.Sprintf("sees %s as %s, linked %t", name, strings.Join(m.Flags, ","), m.Linked))
		}
		for _, open := range m.Open {
			flaws = append(flaws, fmt.Sprintf("has the slot %s open", open))
		}
		slots += m.Slots
	}
	for ip, name := range at {
		flaws = append(flaws, fmt.Sprintf("does not know %s at %s", name, ip))
	}
	if slots != v1alpha1.Slots {
		flaws = append(flaws, fmt.Sprintf("knows owners of %d slots, not %d", slots, v1alpha1.Slots))
	}
	return flaws
}

// tornShards are shards that are not one primary with slots, followed by the
// rest, by the servers' own words.
func tornShards(views map[string][]Member, pods []corev1.Pod) []string {
	type shard struct {
		primaries []string
		follows   map[string]string
	}
	shards := map[string]*shard{}
	for _, p := range pods {
		k := p.Labels[v1alpha1.ShardLabel]
		if shards[k] == nil {
			shards[k] = &shard{follows: map[string]string{}}
		}
		for _, m := range views[p.Name] {
			switch {
			case !m.Is("myself"):
			case m.Primary != "":
				shards[k].follows[p.Name] = m.Primary
			case m.Slots > 0:
				shards[k].primaries = append(shards[k].primaries, m.ID)
			default:
				shards[k].follows[p.Name] = "nobody"
			}
		}
	}
	var torn []string
	for k, s := range shards {
		if len(s.primaries) != 1 {
			torn = append(torn, fmt.Sprintf("shard %s has %d primaries with slots", k, len(s.primaries)))
			continue
		}
		for pod, followed := range s.follows {
			if followed != s.primaries[0] {
				torn = append(torn, fmt.Sprintf("%s follows %s, not its shard's primary %s", pod, followed, s.primaries[0]))
			}
		}
	}
	slices.Sort(torn)
	return torn
}

// servers tells, for who looks closer, what each server of an instance says.
func (i *Instance) servers(ctx context.Context) (map[string]string, error) {
	v, err := i.Get(ctx)
	if err != nil {
		return nil, err
	}
	pods, err := i.Pods(ctx)
	if err != nil {
		return nil, err
	}
	questions := [][]string{{"INFO", "replication"}, {"INFO", "persistence"}, {"CLIENT", "LIST"}}
	if v.Spec.IsCluster() {
		questions = append(questions, []string{"CLUSTER", "NODES"}, []string{"CLUSTER", "INFO"})
	}
	out := map[string]string{}
	var errs []error
	for _, p := range pods {
		if p.Status.Phase != corev1.PodRunning {
			continue
		}
		var text strings.Builder
		for _, question := range questions {
			answer, err := i.Command(ctx, p.Name, question...)
			errs = append(errs, err)
			fmt.Fprintf(&text, "== %s\n%s\n", strings.Join(question, " "), answer)
		}
		out[p.Name] = text.String()
	}
	return out, errors.Join(errs...)
}
