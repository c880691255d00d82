// Package render turns a Valkey resource into the Kubernetes objects of an
// instance and into its valkey.conf.
//
// It is pure: the same resource and Inputs give the same bytes. Randomness
// comes in as Inputs.Random, and what exists already (Secrets, the StatefulSet)
// comes in as data.
//
// Two rules hold everything together:
//
//   - A server boots as a replica of nobody (Nobody). Whatever is on its disk,
//     it accepts no write and serves no synchronisation until the operator has
//     compared it with the others.
//   - An operator upgrade restarts nothing. The pod template of a StatefulSet
//     stays as it is until the user's own wishes change (KeepTemplate).
package render
