package bed

import (
	"context"
	"fmt"
	"strings"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
	"github.com/valkeeper/valkeeper/testbed/internal/process"
)

// Status says what runs. It is nil only when everything does.
func (b *Bed) Status(ctx context.Context) error {
	if err := b.requireUp(); err != nil {
		return err
	}
	records, err := b.book.All()
	if err != nil {
		return err
	}
	dead := 0
	for _, record := range records {
		life := "runs"
		if !record.Alive() {
			life = "has ended: see `testbed logs " + record.Name + "`"
			dead++
		}
		b.say("%-26s %7d  %s", record.Name, record.PID, life)
	}
	for _, node := range b.Plan.Nodes {
		b.say("%-26s          %s", node.Name, strings.Join(b.nodeState(ctx, node), ", "))
	}
	nodes, err := b.kubectl(ctx, nil, "get", "nodes", "--request-timeout=5s", "-L", "topology.kubernetes.io/zone")
	if err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	b.say("\n%s\nKUBECONFIG=%s", strings.TrimSpace(nodes), b.Kubeconfig())
	if dead > 0 {
		return fmt.Errorf("%d of %d processes have ended; `testbed up` starts them again", dead, len(records))
	}
	return nil
}

// nodeState says in words what has been done to a node.
func (b *Bed) nodeState(ctx context.Context, node network.Node) []string {
	if !network.Exists(node.Namespace()) {
		return []string{"stopped"}
	}
	state := []string{"on"}
	if frozen, err := b.tree.Frozen(nodeCgroup(node.Name)); err == nil && frozen {
		state = append(state, "frozen")
	}
	if up, err := network.LinkUp(ctx, node); err == nil && !up {
		state = append(state, "cut off")
	}
	return state
}

// Log is the file that a component writes to.
func (b *Bed) Log(name string) (string, error) {
	record, found, err := b.book.Find(name)
	if err != nil {
		return "", err
	}
	if found {
		return record.Log, nil
	}
	records, err := b.book.All()
	if err != nil {
		return "", err
	}
	return "", fmt.Errorf("no component is named %q; there are: %s", name, strings.Join(names(records), ", "))
}

func names(records []process.Record) []string {
	var all []string
	for _, record := range records {
		all = append(all, record.Name)
	}
	return all
}
