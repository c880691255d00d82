// Package cli is the command line of the test bed.
package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/valkeeper/valkeeper/testbed/internal/bed"
	"github.com/valkeeper/valkeeper/testbed/internal/cache"
	"github.com/valkeeper/valkeeper/testbed/internal/debian"
)

// New is the command with all its subcommands.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:           "testbed",
		Short:         "A real Kubernetes on this machine, without Docker or a registry",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		up(), down(), status(), kubeconfig(), env(), loadImage(), run(), logs(),
		node(), process(), component(), volume(), valkeyRoot(), apiserver(), forward(),
	)
	return root
}

// withBed opens the bed for a command. Progress goes to standard error, so
// that what a script wants is alone on standard output.
func withBed(do func(cmd *cobra.Command, b *bed.Bed, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		b, err := bed.Open(os.Stderr)
		if err != nil {
			return err
		}
		return do(cmd, b, args)
	}
}

func up() *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Bring the bed up, or mend one that is up", Args: cobra.NoArgs,
		RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, _ []string) error { return b.Up(cmd.Context()) }),
	}
}

func down() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the bed and remove all of it but the cache", Args: cobra.NoArgs,
		RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, _ []string) error { return b.Down(cmd.Context()) }),
	}
}

func status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say what runs; fails when something does not", Args: cobra.NoArgs,
		RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, _ []string) error {
			b.Out = cmd.OutOrStdout()
			return b.Status(cmd.Context())
		}),
	}
}

func kubeconfig() *cobra.Command {
	return &cobra.Command{
		Use: "kubeconfig", Short: "Print the path of the kubeconfig for programs on this host", Args: cobra.NoArgs,
		RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, _ []string) error {
			if _, err := b.Bin(); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), b.Kubeconfig())
			return nil
		}),
	}
}

func env() *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: `Print settings for a shell: eval "$(testbed env)"`, Args: cobra.NoArgs,
		RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, _ []string) error {
			bin, err := b.Bin()
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s PATH=%s:\"$PATH\"\n", b.Kubeconfig(), bin)
			return nil
		}),
	}
}

func loadImage() *cobra.Command {
	var load bed.Load
	cmd := &cobra.Command{
		Use: "load-image --name REF (--tar FILE | --binary PATH)", Short: "Give every node an image", Args: cobra.NoArgs,
		RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, _ []string) error { return b.LoadImage(cmd.Context(), load) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&load.Name, "name", "", "full name of the image, with registry and tag")
	flags.StringVar(&load.Tar, "tar", "", "a docker or OCI archive that holds the image under that name")
	flags.StringVar(&load.Binary, "binary", "", "a static binary to make the image of; it becomes /NAME and the entrypoint")
	flags.StringArrayVar(&load.Files, "file", nil, "SOURCE:DESTINATION, one more file beside the binary (repeatable)")
	flags.StringArrayVar(&load.Entrypoint, "entrypoint", nil, "entrypoint instead of the binary, word by word (repeatable)")
	flags.StringVar(&load.User, "user", "65532:65532", "user, or user:group, that the image runs as")
	_ = cmd.MarkFlagRequired("name")
	cmd.MarkFlagsOneRequired("tar", "binary")
	cmd.MarkFlagsMutuallyExclusive("tar", "binary")
	return cmd
}

func run() *cobra.Command {
	return &cobra.Command{
		Use: "run -- COMMAND [ARGUMENT...]", Short: "Run a command where the API server, services and pods are reached", Args: cobra.MinimumNArgs(1),
		RunE: withBed(func(_ *cobra.Command, b *bed.Bed, args []string) error { return b.Run(args) }),
	}
}

func logs() *cobra.Command {
	return &cobra.Command{
		Use: "logs COMPONENT", Short: "Print the log of a component; `status` lists them", Args: cobra.ExactArgs(1),
		RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, args []string) error {
			path, err := b.Log(args[0])
			if err != nil {
				return err
			}
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			_, err = io.Copy(cmd.OutOrStdout(), file)
			return err
		}),
	}
}

func node() *cobra.Command {
	parent := &cobra.Command{Use: "node", Short: "Stop, freeze, cut off or slow down a node, and the reverse"}
	for _, verb := range slices.Sorted(maps.Keys(bed.NodeFaults)) {
		parent.AddCommand(&cobra.Command{
			Use: verb + " NODE", Short: bed.NodeFaults[verb], Args: cobra.ExactArgs(1),
			RunE: withBed(func(cmd *cobra.Command, b *bed.Bed, args []string) error {
				return b.Node(cmd.Context(), verb, args[0])
			}),
		})
	}
	return parent
}

func process() *cobra.Command {
	parent := &cobra.Command{Use: "process", Short: "Make a pod's processes stand still, let them go on, or kill them"}
	for _, verb := range slices.Sorted(maps.Keys(bed.ProcessFaults)) {
		cmd := &cobra.Command{
			Use: verb + " NAMESPACE/POD[/CONTAINER] | --node NODE CONTAINERID...", Args: cobra.MinimumNArgs(1),
			Short: verb + " the processes of a pod, or those of containers without asking the API server",
		}
		host := cmd.Flags().String("node", "", "the node of the containers whose ids are given")
		cmd.RunE = withBed(func(cmd *cobra.Command, b *bed.Bed, args []string) error {
			if *host != "" {
				return b.Containers(verb, *host, args...)
			}
			if len(args) > 1 {
				return fmt.Errorf("%d pods: name one", len(args))
			}
			return b.Process(cmd.Context(), verb, args[0])
		})
		parent.AddCommand(cmd)
	}
	return parent
}

func component() *cobra.Command {
	parent := &cobra.Command{Use: "component", Short: "Make a program of the bed itself stand still, such as kube-apiserver"}
	for _, verb := range slices.Sorted(maps.Keys(bed.ComponentFaults)) {
		parent.AddCommand(&cobra.Command{
			Use: verb + " COMPONENT", Short: bed.ComponentFaults[verb], Args: cobra.ExactArgs(1),
			RunE: withBed(func(_ *cobra.Command, b *bed.Bed, args []string) error { return b.Component(verb, args[0]) }),
		})
	}
	return parent
}

func volume() *cobra.Command {
	parent := &cobra.Command{Use: "volume", Short: "A small volume on a node, that can be filled"}
	for _, verb := range slices.Sorted(maps.Keys(bed.VolumeFaults)) {
		cmd := &cobra.Command{Use: verb + " NODE NAME", Short: bed.VolumeFaults[verb], Args: cobra.ExactArgs(2)}
		size := cmd.Flags().String("size", "64m", "how much fits, at most")
		cmd.RunE = withBed(func(cmd *cobra.Command, b *bed.Bed, args []string) error {
			return b.Volume(cmd.Context(), verb, args[0], args[1], *size)
		})
		parent.AddCommand(cmd)
	}
	return parent
}

func valkeyRoot() *cobra.Command {
	return &cobra.Command{
		Use: "valkey-root VERSION", Short: "Print the folder of an unpacked Valkey (8.1 or 9.1), fetching it when absent", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := cache.Open()
			if err != nil {
				return err
			}
			root, err := debian.ValkeyRoot(cmd.Context(), store, args[0], os.Stderr)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), root)
			return nil
		},
	}
}

// forward is what `up` starts for itself, inside the bed's network.
func forward() *cobra.Command {
	return &cobra.Command{
		Use: "internal-forward TARGET", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return bed.Forward(args[0]) },
	}
}
