package debian

import "testing"

func TestTheMirrorIsTheHostsOwn(t *testing.T) {
	for name, row := range map[string]struct{ targets, want string }{
		"a Debian with a mirror": {"Packages|Debian|Debian-Security|http://mirror.test/debian-security/\nDEP-11|Debian|Debian|http://x/\nPackages|Debian|Debian|http://mirror.test/debian/\n", "http://mirror.test/debian"},
		"no Debian":              {"Packages|Ubuntu|Ubuntu|http://ubuntu.test/ubuntu/\n", fallbackArchive},
		"no lists at all":        {"", fallbackArchive},
	} {
		if got := parseMirror(row.targets); got != row.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
