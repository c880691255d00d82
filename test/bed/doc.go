// Package bed is what tests and the demo do with a Kubernetes: install the
// operator, make instances, write to them under the ledger's eye, break things,
// and say what was going on when something went wrong.
//
// Any Kubernetes will do. What is particular to one comes from the environment,
// which hack/cluster.sh sets: see Settings.
package bed
