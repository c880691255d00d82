// Package e2e holds tests against a real Kubernetes: the operator installed by
// its chart, real servers, and the ledger writing all the while.
//
//	make test-e2e   brings a test bed up and runs them
//	make soak       runs the long ones too (build tag soak)
//
// Tests without t.Parallel measure or break what others need, and run first,
// one at a time.
package e2e
