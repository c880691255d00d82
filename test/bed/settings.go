package bed

import (
	"cmp"
	"os"
	"path/filepath"
)

// Settings are what differs from one Kubernetes to another.
type Settings struct {
	// Kind is testbed, kind or current. Only the test bed can cut off nodes.
	Kind string
	// Operator, Failpoints and Ledger are images that the nodes have or can pull.
	// Failpoints is the operator built to die at named points.
	Operator, Failpoints, Ledger string
	// ValkeyRepository is where the operator finds the image of a version.
	ValkeyRepository string
	// Helm and Testbed are programs.
	Helm, Testbed string
	// Repository is the root of the checkout, Out where reports go.
	Repository, Out string
}

// FromEnvironment reads what hack/cluster.sh has set.
func FromEnvironment() Settings {
	root := cmp.Or(os.Getenv("VALKEEPER_REPOSITORY"), checkout())
	return Settings{
		Kind:             cmp.Or(os.Getenv("VALKEEPER_CLUSTER"), "current"),
		Operator:         os.Getenv("VALKEEPER_OPERATOR_IMAGE"),
		Failpoints:       os.Getenv("VALKEEPER_FAILPOINTS_IMAGE"),
		Ledger:           os.Getenv("VALKEEPER_LEDGER_IMAGE"),
		ValkeyRepository: os.Getenv("VALKEEPER_VALKEY_REPOSITORY"),
		Helm:             cmp.Or(os.Getenv("VALKEEPER_HELM"), "helm"),
		Testbed:          os.Getenv("VALKEEPER_TESTBED"),
		Repository:       root,
		Out:              filepath.Join(root, "out"),
	}
}

// checkout is the nearest folder above that holds the chart.
func checkout() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for at := dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "charts", "valkeeper")); err == nil {
			return at
		}
	}
	return dir
}
