package process

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestStatusIsReadPastABracketInTheCommandsName(t *testing.T) {
	state, ticks, err := parseStat("42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10")
	if err != nil || state != "S" || ticks != 987654 {
		t.Fatalf("got state %q, ticks %d, error %v", state, ticks, err)
	}
	if _, _, err := parseStat("42 (short) S 1 2"); err == nil {
		t.Fatal("a status that is too short was accepted")
	}
}

func start(t *testing.T, b Book, name string, args ...string) Record {
	t.Helper()
	record, err := b.Start(Spec{Name: name, Args: args, Log: filepath.Join(t.TempDir(), name+".log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop(context.Background(), name, 0) })
	return record
}

func TestAStartedProcessIsFoundAgainAndEnded(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	record := start(t, b, "sleeper", "sleep", "60")
	found, ok, err := b.Find("sleeper")
	if err != nil || !ok || found.PID != record.PID || !found.Alive() {
		t.Fatalf("found %+v, %v, %v", found, ok, err)
	}
	if err := b.Stop(t.Context(), "sleeper", time.Second); err != nil {
		t.Fatal(err)
	}
	if record.Alive() {
		t.Fatal("it still runs")
	}
	if _, ok, _ := b.Find("sleeper"); ok {
		t.Fatal("its record is still there")
	}
}

func TestAProcessThatIgnoresTheAskingIsKilled(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	record := start(t, b, "stubborn", "sh", "-c", `trap "" TERM; while :; do sleep 1; done`)
	if err := b.Stop(t.Context(), "stubborn", 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if record.Alive() {
		t.Fatal("it still runs")
	}
}

func TestAReusedIDIsNeverKilled(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	stranger := start(t, b, "stranger", "sleep", "60")
	for _, old := range []Record{
		{Name: "older", PID: stranger.PID, StartTicks: stranger.StartTicks - 1, Boot: stranger.Boot},
		{Name: "before-reboot", PID: stranger.PID, StartTicks: stranger.StartTicks, Boot: "another boot"},
	} {
		if err := b.write(old); err != nil {
			t.Fatal(err)
		}
		if err := b.Stop(t.Context(), old.Name, time.Second); err != nil {
			t.Fatal(err)
		}
		if !stranger.Alive() {
			t.Fatalf("the record %q killed a stranger", old.Name)
		}
	}
}

func TestAZombieIsNotAlive(t *testing.T) {
	// Started without anybody who waits for it: it stays a zombie.
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = syscall.Wait4(pid, nil, 0, nil) })
	record, err := newRecord(Spec{Name: "zombie"}, pid)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for record.Alive() {
		if time.Now().After(deadline) {
			t.Fatal("a process that has ended still counts as alive")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
