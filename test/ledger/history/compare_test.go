package history

import (
	"context"
	"errors"
	"maps"
	"testing"
)

// store is a server's content; it fails from the n-th reading on if n > 0.
type store struct {
	values map[string]string
	n      int
	calls  int
}

func (s *store) Read(_ context.Context, keys []string) ([]*string, error) {
	s.calls++
	if s.n > 0 && s.calls >= s.n {
		return nil, errors.New("connection lost")
	}
	out := make([]*string, len(keys))
	for i, k := range keys {
		if v, ok := s.values[k]; ok {
			out[i] = &v
		}
	}
	return out, nil
}

var testKeys = Keys{Prefix: "ledger:t", ValueSize: 64}

// full is a history of n writes of two writers and a server that has them all.
func full(n int) (*History, *store) {
	var writes []write
	s := &store{values: map[string]string{}}
	for i := range n {
		writes = append(writes, write{i % 2, int64(i), int64(i + 1), A, 0})
		k := testKeys.Key(i%2, uint32(i/2))
		s.values[k] = testKeys.Value(k)
	}
	return made(int64(n), writes...), s
}

func TestAServerThatHoldsEverythingPasses(t *testing.T) {
	h, s := full(2345)
	got, err := h.Compare(context.Background(), testKeys, nil, s)
	if err != nil || got.Checked != 2345 || got.Missing != 0 || got.Diverged != 0 {
		t.Errorf("tally %+v, error %v", got, err)
	}
}

func TestOneMissingKeyIsFoundWhereverItIs(t *testing.T) {
	for _, at := range []int{0, 1, 499, 500, 1171, 1172, 2344} {
		h, s := full(2345)
		delete(s.values, testKeys.Key(at%2, uint32(at/2)))
		got, _ := h.Compare(context.Background(), testKeys, nil, s)
		if got.Missing != 1 || got.Diverged != 0 {
			t.Errorf("write %d removed: tally %+v", at, got)
		}
	}
}

func TestAnotherValueIsFound(t *testing.T) {
	key := testKeys.Key(1, 7)
	whole := testKeys.Value(key)
	for name, value := range map[string]string{
		"empty":          "",
		"cut short":      whole[:len(whole)-1],
		"another key's":  testKeys.Value(testKeys.Key(1, 70)),
		"another run's":  Keys{Prefix: "ledger:u", ValueSize: 64}.Value("ledger:u:1:7"),
		"one byte wrong": whole[:40] + "x" + whole[41:],
	} {
		h, s := full(100)
		s.values[key] = value
		got, _ := h.Compare(context.Background(), testKeys, nil, s)
		if got.Missing != 0 || got.Diverged != 1 || len(got.Examples) != 1 {
			t.Errorf("%s: tally %+v", name, got)
		}
	}
}

func TestWhatCannotBeReadCountsAsMissing(t *testing.T) {
	h, s := full(2000)
	s.n = 3 // two batches of 500 are answered
	got, err := h.Compare(context.Background(), testKeys, nil, s)
	if err == nil || got.Checked != 1000 || got.Missing != 1000 {
		t.Errorf("tally %+v, error %v", got, err)
	}
}

type short struct{}

func (short) Read(context.Context, []string) ([]*string, error) { return nil, nil }

func TestAnAnswerOfTheWrongLengthIsAnError(t *testing.T) {
	h, _ := full(10)
	got, err := h.Compare(context.Background(), testKeys, nil, short{})
	if err == nil || got.Missing != 10 {
		t.Errorf("tally %+v, error %v", got, err)
	}
}

func TestWhatIsMissingIsDividedByWhoHadAcknowledgedIt(t *testing.T) {
	h := made(100,
		write{0, 1, 10, A, 0}, write{0, 11, 20, A, 0}, write{1, 12, 30, A, 0}, write{0, 31, 40, B, 0}, write{1, 41, 50, B, 0})
	s := &store{values: map[string]string{}}
	for _, kept := range []string{testKeys.Key(0, 0), testKeys.Key(1, 1)} {
		s.values[kept] = testKeys.Value(kept)
	}
	want := map[Server]Absence{A: {Count: 2, First: 20e6, Last: 30e6}, B: {Count: 1, First: 40e6, Last: 40e6}}
	got, err := h.Compare(context.Background(), testKeys, nil, s)
	if err != nil || !maps.Equal(got.Absent, want) {
		t.Errorf("absent %+v, wanted %+v; error %v", got.Absent, want, err)
	}
	if got, _ := h.Compare(context.Background(), testKeys, nil, short{}); got.Absent[A].Count != 3 || got.Absent[B].Count != 2 {
		t.Errorf("of a server that cannot be read: %+v", got.Absent)
	}
	if got := h.Unread(nil); got.Missing != 5 || got.Absent[A] != (Absence{Count: 3, First: 10e6, Last: 30e6}) {
		t.Errorf("of nobody: %+v", got)
	}
}
