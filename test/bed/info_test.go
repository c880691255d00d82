package bed

import "testing"

func TestWhatAServerSaysOfItselfIsFoundByName(t *testing.T) {
	got := parseInfo("# Server\r\nrun_id:abc\r\n\r\n# Keyspace\r\ndb0:keys=12,expires=0\r\n")
	if len(got) != 2 || got["run_id"] != "abc" || got["db0"] != "keys=12,expires=0" {
		t.Errorf("%q", got)
	}
}
