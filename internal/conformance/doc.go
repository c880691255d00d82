// Package conformance runs the operator's recipes against real Valkey servers,
// so that what the simulated servers do, and what the documents say, cannot
// drift from what real ones do.
//
// The servers are processes on loopback addresses, each with an address of its
// own (127.x.y.z), users and settings as the operator gives them. They are taken
// from unpacked root file systems that the environment names:
//
//	VALKEY_ROOT_9_1, VALKEY_ROOT_8_1   folders with usr/bin/valkey-server in them
//	VALKEEPER_REQUIRE_SERVERS=1        a missing one is a failure, not a skip
//
// "testbed valkey-root 9.1" fetches one and prints its folder.
package conformance
