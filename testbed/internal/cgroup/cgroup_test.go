package cgroup

import "testing"

func TestHierarchiesAreReadFromTheMountTable(t *testing.T) {
	for line, want := range map[string]struct {
		mount mount
		ok    bool
	}{
		"33 24 0:28 / /sys/fs/cgroup/freezer rw,nosuid shared:9 - cgroup cgroup rw,freezer":   {mount{path: "/sys/fs/cgroup/freezer", freezer: true}, true},
		"34 24 0:29 / /sys/fs/cgroup/cpuset rw,nosuid - cgroup cgroup rw,cpuset":              {mount{path: "/sys/fs/cgroup/cpuset", cpuset: true}, true},
		"35 24 0:30 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd": {mount{path: "/sys/fs/cgroup/systemd"}, true},
		"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate":      {mount{path: "/sys/fs/cgroup", unified: true}, true},
		"24 1 0:22 / /proc rw,relatime - proc proc rw":                                        {mount{}, false},
		"not a line of the table": {mount{}, false},
	} {
		got, ok := parseMount(line)
		if got != want.mount || ok != want.ok {
			t.Errorf("%s: got %+v, %v", line, got, ok)
		}
	}
}

func TestMembershipIsReadInTheFreezerWhereThereIsOne(t *testing.T) {
	hybrid := Tree{mounts: []mount{{path: "/u", unified: true}, {path: "/f", freezer: true}}}
	if got := hybrid.reference().path; got != "/f" || !hybrid.V1() {
		t.Errorf("hybrid: %s", got)
	}
	unified := Tree{mounts: []mount{{path: "/u", unified: true}}}
	if got := unified.reference().path; got != "/u" || unified.V1() {
		t.Errorf("unified: %s", got)
	}
}
