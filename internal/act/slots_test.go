package act

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/valkeeper/valkeeper/internal/model"
	"github.com/valkeeper/valkeeper/internal/servers/fake"
)

// moving is a step that moves slots 5 and 6 from the first server to the second,
// with a third one to tell. Slot 5 has two keys.
func moving(t *testing.T) (*world, []*fake.Server, model.MoveSlots) {
	t.Helper()
	w, all, refs := ring(t, 3)
	all[0].Reply("CLUSTER GETKEYSINSLOT", "*0\r\n")
	all[0].Reply("CLUSTER GETKEYSINSLOT 5", "*2\r\n$1\r\na\r\n$1\r\nb\r\n")
	all[0].Then("MIGRATE", func() { all[0].Reply("CLUSTER GETKEYSINSLOT 5", "*0\r\n") })
	step := model.MoveSlots{From: refs[0], To: refs[1], FromID: "from", ToID: "to", Others: refs[2:],
		Slots: model.NewSlots(model.SlotRange{First: 5, Last: 6})}
	w.planned(step)
	return w, all, step
}

// inShort leaves out what is the same in every command.
func inShort(lines []string) []string {
	var out []string
	for _, line := range lines {
		line, _, _ = strings.Cut(line, " TIMEOUT")
		line = strings.TrimPrefix(line, "CLUSTER ")
		if !strings.HasPrefix(line, "GETKEYS") {
			out = append(out, line)
		}
	}
	return out
}

func migrate(to string, replace string) string {
	host, port, _ := strings.Cut(to, ":")
	return fmt.Sprintf("MIGRATE %s %s  0 1000%s AUTH2 migration secret KEYS a b", host, port, replace)
}

func TestASlotIsOpenedEmptiedAndGivenAway(t *testing.T) {
	w, all, step := moving(t)
	if out, err := w.Do(t.Context(), shard, step); err != nil || len(out.Holds) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, want := range [][]string{
		{"SETSLOT 5 MIGRATING to", migrate(step.To.Address, ""), "SETSLOT 5 NODE to", "SETSLOT 6 MIGRATING to", "SETSLOT 6 NODE to"},
		{"SETSLOT 5 IMPORTING from", "SETSLOT 5 NODE to", "SETSLOT 6 IMPORTING from", "SETSLOT 6 NODE to"},
		{"SETSLOT 5 NODE to", "SETSLOT 6 NODE to"},
	} {
		if have := inShort(told(all[i])); !slices.Equal(have, want) {
			t.Errorf("server %d was told %q, want %q", i, have, want)
		}
	}
}

func TestASlotThatTheTargetOwnsAlreadyIsOnlyMadeKnown(t *testing.T) {
	w, all, step := moving(t)
	all[1].Reply("CLUSTER SETSLOT 5 IMPORTING", "-ERR I'm already the owner of hash slot 5\r\n")
	if _, err := w.Do(t.Context(), shard, step); err != nil {
		t.Fatal(err)
	}
	if have := inShort(told(all[0])); have[0] != "SETSLOT 5 NODE to" || slices.Contains(have, migrate(step.To.Address, "")) {
		t.Errorf("the source was told %q", have)
	}
}

func TestAKeyThatTheTargetHasAlreadyIsReplacedOnceNoOlderOneIsOnItsWay(t *testing.T) {
	w, all, step := moving(t)
	all[0].Then("MIGRATE", func() {})
	all[0].Reply("MIGRATE", "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n")
	host, port, _ := strings.Cut(step.To.Address, ":")
	replacing := fmt.Sprintf("MIGRATE %s %s  0 1000 REPLACE", host, port)
	all[0].Reply(replacing, "+OK\r\n")
	all[0].Then(replacing, func() { all[0].Reply("CLUSTER GETKEYSINSLOT 5", "*0\r\n") })
	all[1].Reply("CLIENT KILL", ":1\r\n")
	if _, err := w.Do(t.Context(), shard, step); err != nil {
		t.Fatal(err)
	}
	if have := inShort(told(all[0])); !slices.Contains(have, migrate(step.To.Address, " REPLACE")) {
		t.Errorf("the source was told %q", have)
	}
	if have := told(all[1]); !slices.Contains(have, "CLIENT KILL USER migration") {
		t.Errorf("the target was told %q", have)
	}
}

func TestReplicasThatAreLateAreAHoldAndNoFailure(t *testing.T) {
	w, all, step := moving(t)
	all[0].Reply("CLUSTER SETSLOT 5 MIGRATING", "-NOREPLICAS Not enough good replicas to write.\r\n")
	out, err := w.Do(t.Context(), shard, step)
	if err != nil || len(out.Holds) != 1 || out.Holds[0].Reason != model.SlotsMoving || out.Holds[0].After <= 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestSlotsMoveAtOnceInOneMigration(t *testing.T) {
	w, all, step := moving(t)
	step.Atomic = true
	if _, err := w.Do(t.Context(), shard, w.planned(step)); err != nil {
		t.Fatal(err)
	}
	if have := told(all[0]); !slices.Equal(have, []string{"CLUSTER MIGRATESLOTS SLOTSRANGE 5 6 NODE to"}) || len(told(all[1])) != 0 {
		t.Errorf("told %q and %q", have, told(all[1]))
	}
}

func TestManySlotsAreMovedForAMomentAndTheRestLater(t *testing.T) {
	w, all, step := moving(t)
	step.Slots = model.NewSlots(model.SlotRange{First: 5, Last: 16000})
	if _, err := w.Do(t.Context(), shard, w.planned(step)); err != nil {
		t.Fatal(err)
	}
	if have := inShort(told(all[1])); len(have) == 0 || slices.Contains(have, "SETSLOT 16000 NODE to") {
		t.Errorf("%d commands in %s", len(have), moveTime)
	}
}
