package bed

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/valkeeper/valkeeper/testbed/internal/network"
)

// Run becomes a command inside the management namespace, where the API server,
// services, pods and the cluster's names are reached. It returns only on error.
func (b *Bed) Run(command []string) error {
	if err := b.requireUp(); err != nil {
		return err
	}
	nsenterPath, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	p := place{net: network.ManagementNamespace, mount: mountNamespace("management")}
	args := nsenter(p)
	// Before the dash: the working directory would be lost with the mounts.
	args = append(args[:len(args)-1], "--wd="+here, "--")
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "KUBECONFIG=") || strings.HasPrefix(e, "PATH=")
	})
	env = append(env, "KUBECONFIG="+b.insideKubeconfig(), "PATH="+b.state.Bin+":"+os.Getenv("PATH"))
	if err := syscall.Exec(nsenterPath, append(args, command...), env); err != nil {
		return fmt.Errorf("running %s inside the test bed: %w", command[0], err)
	}
	return nil
}
