package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fillSegments writes a book of n small segments, and closes it.
func (s shelf) fillSegments(t testing.TB, n int) {
	t.Helper()
	b := s.open(t)
	b.writer.limit = 1 // owned by run, which has had nothing to do yet
	for i := range n {
		if err := b.Sync(t.Context(), Event{Kind: Network, Target: fmt.Sprintf("host-%d:443", i), Verdict: "deny"}); err != nil {
			t.Fatal(err)
		}
	}
	closeBook(t, b)
}

func (s shelf) prune(t testing.TB, k Keep) Pruned {
	t.Helper()
	p, err := Prune(s.dir, s.anchor, k, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A pruned book is whole, says what it lacks, and goes on.
func TestPrune(t *testing.T) {
	s := newShelf(t)
	s.fillSegments(t, 8)
	if p := s.prune(t, Keep{}); p != (Pruned{}) {
		t.Errorf("nothing was asked, and %+v removed", p)
	}
	size := Size(s.dir)
	if p := s.prune(t, Keep{Bytes: 1, Since: time.Now().Add(time.Hour), Needed: time.Now().Add(-time.Hour)}); p != (Pruned{}) {
		t.Errorf("all of it is needed, and %+v removed", p)
	}
	p := s.prune(t, Keep{Bytes: size / 2, Needed: time.Now().Add(time.Hour)})
	if p.Events == 0 || p.Events != uint64(p.Segments) || p.Bytes != size-Size(s.dir) {
		t.Errorf("%+v, %d bytes are left of %d", p, Size(s.dir), size)
	}
	report, err := Verify(s.dir, s.anchor)
	if err != nil || report.Pruned != p.Events || report.Events != 8-p.Events || report.PrunedAt.IsZero() {
		t.Fatalf("%+v, %v", report, err)
	}
	s.fill(t, 2)
	if report, err = Verify(s.dir, s.anchor); err != nil || report.Events != 10-p.Events {
		t.Errorf("after going on: %+v, %v", report, err)
	}
	if got := s.events(t); got[0].Seq != p.Events+1 {
		t.Errorf("begins with %d", got[0].Seq)
	}
	// The newest segment stays, whatever is asked.
	s.prune(t, Keep{Since: time.Now().Add(time.Hour)})
	if all, _ := segments(s.dir); len(all) != 1 {
		t.Errorf("left: %v", all)
	}
	s.fill(t, 1)
	s.sound(t)
}

// A shorter book is called pruned only where the record says so.
func TestPrunedByNobody(t *testing.T) {
	s := newShelf(t)
	s.fillSegments(t, 6)
	s.prune(t, Keep{Bytes: Size(s.dir) / 2})
	all, err := segments(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(s.dir, nameOf(all[0]))
	kept, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	s.wrong(t, "one segment more removed")
	if err := os.WriteFile(first, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	s.sound(t) // the control
	record, err := os.ReadFile(baseOf(s.anchor))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(baseOf(s.anchor)); err != nil {
		t.Fatal(err)
	}
	s.wrong(t, "the record removed")
	if err := os.WriteFile(baseOf(s.anchor), append([]byte(`{"v":99}`), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(s.dir, s.anchor); !errors.As(err, new(*Newer)) {
		t.Errorf("a record of a newer version: %v", err)
	}
	if err := os.WriteFile(baseOf(s.anchor), record, 0o600); err != nil {
		t.Fatal(err)
	}
	s.sound(t)
	// A damaged book is evidence.
	s.put(t, all[1], append(s.bytes(t, all[1]), 'x'))
	if _, err := Prune(s.dir, s.anchor, Keep{Bytes: 1}, time.Now()); err == nil {
		t.Error("a damaged book was pruned")
	}
}

// Between the record and the removal a crash may come.
func TestPruneInterrupted(t *testing.T) {
	s := newShelf(t)
	s.fillSegments(t, 6)
	first := s.bytes(t, 1)
	s.prune(t, Keep{Bytes: Size(s.dir) / 2})
	s.put(t, 1, first) // as if it had not been removed yet
	s.sound(t)
	s.fill(t, 1)
	s.sound(t)
}
