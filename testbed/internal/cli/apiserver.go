package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/valkeeper/valkeeper/testbed/internal/cache"
	"github.com/valkeeper/valkeeper/testbed/internal/light"
)

func apiserverDir(cmd *cobra.Command) *string {
	dir := cmd.Flags().String("dir", "", "folder for its data, certificates, logs and kubeconfig")
	_ = cmd.MarkFlagRequired("dir")
	return dir
}

func apiserver() *cobra.Command {
	parent := &cobra.Command{Use: "apiserver", Short: "Only an API server and its store, on loopback: for tests of validation; needs no root"}
	start := &cobra.Command{Use: "start --dir DIR", Short: "Start it and print the path of its kubeconfig", Args: cobra.NoArgs}
	startDir := apiserverDir(start)
	start.RunE = func(cmd *cobra.Command, _ []string) error {
		store, err := cache.Open()
		if err != nil {
			return err
		}
		kubeconfig, err := light.Start(cmd.Context(), store, *startDir, os.Stderr)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), kubeconfig)
		return nil
	}
	stop := &cobra.Command{Use: "stop --dir DIR", Short: "End it and remove its data", Args: cobra.NoArgs}
	stopDir := apiserverDir(stop)
	stop.RunE = func(cmd *cobra.Command, _ []string) error { return light.Stop(cmd.Context(), *stopDir) }
	parent.AddCommand(start, stop)
	return parent
}
