package bed

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"text/template"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
)

//go:embed files
var files embed.FS

// templateValues are what the files may name; each uses some of them.
type templateValues struct {
	Plan            network.Plan
	Node            network.Node
	NodeName        string
	Address         netip.Addr
	Kubeconfig      string
	Runc            string
	PauseImage      string
	CgroupRoot      string
	ProvisionerName string
}

func renderText(name string, values templateValues) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(files, "files/"+name)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return out.Bytes(), nil
}

func render(name, target string, values templateValues) error {
	text, err := renderText(name, values)
	if err != nil {
		return err
	}
	return writeIfChanged(target, text, 0o644)
}

// writeIfChanged leaves a file alone that is right already: kube-proxy ends
// and containerd reloads when theirs is written.
func writeIfChanged(target string, content []byte, mode os.FileMode) error {
	have, err := os.ReadFile(target)
	if err == nil && bytes.Equal(have, content) {
		return nil
	}
	half := target + ".half"
	if err := os.WriteFile(half, content, mode); err != nil {
		return err
	}
	return os.Rename(half, target)
}
