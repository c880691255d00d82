package conformance

import "testing"

// A server that writes its first log after a full synchronisation has nothing of that on its
// disk before the log is written: killed until then, it comes back with what it held before.
// 9.1 takes the file that it was sent for the beginning of its log, and writes none.
func TestServerThatIsKilledBeforeItsFirstLogIsWrittenForgetsItsSynchronisation(t *testing.T) {
	t.Parallel()
	for _, version := range Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			spec := Spec{Version: version, Persistence: AOF}
			set := Set(t, spec, spec)
			primary, replica := set[0], set[1]
			replica.waitIdleDisk()
			replica.Stop()
			for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
				primary.Must("SET", key, "acknowledged")
			}
			primary.waitIdleDisk()
			// The disk is slow, or the data are many: each key takes half a second.
			replica.Spec.Config = append(replica.Spec.Config, "rdb-key-save-delay 500000")
			replica.Start()
			replica.Follow(primary)
			replica.Must("REPLICAOF", "NO", "ONE") // it has been handed the role back
			primary.Kill()                         // the extra node has left, with its volume
			replica.Must("SET", "later", "acknowledged")
			before, _ := replica.Info()
			replica.Kill()
			replica.Spec.Config = nil
			replica.Start()
			after, _ := replica.Info()
			t.Logf("killed with %d keys, while it wrote its first log: %t; %d are left", before.Keys, before.AOFRewriteInProgress, after.Keys)
			if lost := after.Keys < before.Keys; lost != before.AOFRewriteInProgress {
				t.Errorf("lost any: %t", lost)
			}
		})
	}
}
