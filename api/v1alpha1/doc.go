// Package v1alpha1 is Valkeeper's API: the Valkey resource, its defaults and
// the rules that the API server checks.
//
// The rules live in the markers below the types, so that a wrong resource is
// refused when it is written and never half done later. Where a default depends
// on another field the schema cannot hold it; it is then in defaults.go, which
// is the only place to read such a field from.
//
// +kubebuilder:object:generate=true
// +groupName=valkeeper.io
package v1alpha1
