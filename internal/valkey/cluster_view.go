package valkey

import (
	"context"
	"errors"

	client "github.com/valkey-io/valkey-go"
)

// View is what one server says, at one moment, of itself and of its cluster.
type View struct {
	Info Info
	// Cluster and Nodes are empty when the server does not run in cluster mode
	// (Info.ClusterEnabled).
	Cluster ClusterInfo
	Nodes   []ClusterNode
}

// View asks for Info, ClusterInfo and ClusterNodes in one round trip, so that the
// answers belong together.
func (n *Node) View(ctx context.Context) (View, error) {
	texts, err := n.readTexts(ctx, infoCommand, []string{"CLUSTER", "INFO"}, []string{"CLUSTER", "NODES"})
	if err != nil {
		return View{}, err
	}
	var view View
	if view.Info, err = ParseInfo(texts[0]); err != nil {
		return View{}, wrap(n.addr, "INFO", err)
	}
	if !view.Info.ClusterEnabled {
		return view, nil
	}
	if view.Cluster, err = ParseClusterInfo(texts[1]); err != nil {
		return View{}, wrap(n.addr, "CLUSTER INFO", err)
	}
	if view.Nodes, err = ParseClusterNodes(texts[2]); err != nil {
		return View{}, wrap(n.addr, "CLUSTER NODES", err)
	}
	return view, nil
}

// readTexts sends several commands that change nothing in one write. Like read it
// asks a second time when the connection turns out to be an old one. What only a
// member of a cluster answers is empty for any other server.
func (n *Node) readTexts(ctx context.Context, commands ...[]string) ([]string, error) {
	texts, err := n.texts(ctx, commands)
	if errors.Is(err, ErrClosed) {
		return n.texts(ctx, commands)
	}
	return texts, err
}

func (n *Node) texts(ctx context.Context, commands [][]string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.dialer.CommandTimeout)
	defer cancel()
	built := make([]client.Completed, 0, len(commands))
	for _, args := range commands {
		built = append(built, n.client.B().Arbitrary(args...).Build())
	}
	texts := make([]string, len(commands))
	for i, result := range n.client.DoMulti(ctx, built...) {
		text, err := result.ToString()
		if err = wrap(n.addr, commandName(commands[i]), err); err != nil && !errors.Is(err, ErrNoCluster) {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}
