package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// place of a book that a test works on.
type shelf struct{ dir, anchor string }

func newShelf(t testing.TB) shelf {
	t.Helper()
	top := t.TempDir()
	return shelf{filepath.Join(top, "sandbox", "audit"), filepath.Join(top, "anchors", "demo")}
}

func (s shelf) open(t testing.TB) *Book {
	t.Helper()
	b, err := Open(s.dir, s.anchor)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func closeBook(t testing.TB, b *Book) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill writes n events and closes the book.
func (s shelf) fill(t testing.TB, n int) {
	t.Helper()
	b := s.open(t)
	for i := range n {
		b.Append(Event{Kind: Network, Target: fmt.Sprintf("host-%d:443", i), Verdict: "deny", Why: "no rule"})
	}
	closeBook(t, b)
}

func (s shelf) events(t testing.TB) []Event {
	t.Helper()
	var all []Event
	err := Read(s.dir, func(e Event) error { all = append(all, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s shelf) bytes(t testing.TB, segment int) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, nameOf(segment)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (s shelf) put(t testing.TB, segment int, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, nameOf(segment)), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s shelf) sound(t testing.TB) Report {
	t.Helper()
	r, err := Verify(s.dir, s.anchor)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return r
}

func TestWriteReadVerify(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	call := &Call{API: "ollama", Path: "/api/chat", Asked: "m", Given: "ollama/m", Status: 200, Prompt: "[…]", TokensOut: 7, FirstToken: 1.5}
	b.Append(Event{Kind: Start, Proofs: []Proof{{Wall: "network", Tried: "connect", Got: "refused"}}})
	b.Append(Event{Kind: Inference, Call: call})
	if err := b.Sync(t.Context(), Event{Kind: Approval, ID: "a1", By: "me (uid 1000)"}); err != nil {
		t.Fatal(err)
	}
	got := s.events(t) // what Sync returned for can be read, with all before it
	closeBook(t, b)
	if len(got) != 3 || got[0].Seq != 1 || got[2].Seq != 3 || got[2].ID != "a1" {
		t.Fatalf("events %+v", got)
	}
	if diff := cmp.Diff(call, got[1].Call); diff != "" {
		t.Error(diff)
	}
	if r := s.sound(t); r.Events != 3 || r.Anchored != 3 || r.Head != got[2].Hash || r.Torn {
		t.Errorf("report %+v", r)
	}
}

func TestTheBookGoesOnWhereItEnded(t *testing.T) {
	s := newShelf(t)
	for range 3 {
		s.fill(t, 2)
	}
	if r := s.sound(t); r.Events != 6 || r.Damage != 0 || r.Segments != 1 {
		t.Errorf("report %+v", r)
	}
}

func TestOneEventIsOneLine(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	evil := "x\n{\"v\":1,\"verdict\":\"allow\"}\r\n[ALLOW]\x00\x1b]52;c;aGk=\x07\u2028\u2029\u202e\",\"hash\":\"" + strings.Repeat("0", 64) + "\"}\n"
	b.Append(Event{Kind: Network, Target: evil, Program: evil, Why: evil})
	closeBook(t, b)
	got := s.events(t)
	if len(got) != 1 || got[0].Target != evil || got[0].Verdict != "" {
		t.Errorf("events %+v", got)
	}
	s.sound(t)
	if data := s.bytes(t, 1); bytes.Count(data, []byte("\n")) != 1 || bytes.ContainsAny(data, "\x00\x1b\x07\r") {
		t.Errorf("raw control characters in %q", data)
	}
}

func TestHashIsTheLastMember(t *testing.T) {
	line, err := json.Marshal(Event{Hash: "h"})
	if err != nil || !bytes.HasSuffix(line, []byte(`,"hash":"h"}`)) {
		t.Errorf("%s, %v: the hash of a line depends on it", line, err)
	}
}

func TestWithinTenMilliseconds(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	defer closeBook(t, b)
	seen := b.Watch(t.Context())
	b.Append(Event{Kind: Agent})
	select {
	case e := <-seen:
		// The bound is loose: the machine's disk is not ours.
		if late := time.Since(e.Time); late > time.Second {
			t.Errorf("durable after %v", late)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("never became durable")
	}
}

func TestWatchSeesOnlyWhatIsDurable(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	defer closeBook(t, b)
	seen := b.Watch(t.Context())
	for i := range 50 {
		b.Append(Event{Kind: Agent, Count: i + 1})
	}
	for i := range 50 {
		e := <-seen
		on, err := readAnchor(s.anchor)
		if err != nil || e.Seq > on.Seq || e.Count != i+1 {
			t.Fatalf("event %d (%d) was shown, the anchor is at %d, %v", e.Seq, e.Count, on.Seq, err)
		}
	}
}

func TestASlowReaderIsToldWhatItMissed(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	slow := b.Watch(ctx)
	const n = 3 * watchDepth
	for range n {
		b.Append(Event{Kind: Agent})
	}
	if err := b.Sync(t.Context(), Event{Kind: Stop}); err != nil { // nobody was held up
		t.Fatal(err)
	}
	seen := 0
	for range 10 {
		<-slow
		seen++
	}
	if err := b.Sync(t.Context(), Event{Kind: Stop}); err != nil {
		t.Fatal(err)
	}
	cancel()
	missed := 0
	for e := range slow { // closes, since ctx ended
		if e.Kind == Gap {
			missed += e.Count
			continue
		}
		seen++
	}
	if missed == 0 || seen+missed != n+2 {
		t.Errorf("saw %d and was told of %d missed: want %d together", seen, missed, n+2)
	}
	closeBook(t, b)
	if _, open := <-b.Watch(t.Context()); open {
		t.Error("a closed book can be watched")
	}
}

func TestOneWriter(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	if second, err := Open(s.dir, s.anchor); err == nil {
		_ = second.Close()
		t.Error("two writers of one book")
	}
	closeBook(t, b)
	closeBook(t, s.open(t))
}

func TestSegments(t *testing.T) {
	s := newShelf(t)
	b := s.open(t)
	b.writer.limit = 1000 // before the first event, so run has not looked at it
	for i := range 40 {
		if err := b.Sync(t.Context(), Event{Kind: Agent, Count: i + 1}); err != nil {
			t.Fatal(err)
		}
	}
	closeBook(t, b)
	if r := s.sound(t); r.Segments < 5 || r.Events != 40 {
		t.Errorf("report %+v", r)
	}
	got, err := Last(s.dir, 7, func(e Event) bool { return e.Count%2 == 0 })
	if err != nil || len(got) != 7 || got[0].Count != 28 || got[6].Count != 40 {
		t.Errorf("Last = %+v, %v", got, err)
	}
	last, err := segments(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []struct {
		segment int
		said    string // where, or what
	}{{3, nameOf(4)}, {last[len(last)-1], "the last events are missing"}, {1, nameOf(2)}} {
		kept := s.bytes(t, gone.segment)
		if err := os.Remove(filepath.Join(s.dir, nameOf(gone.segment))); err != nil {
			t.Fatal(err)
		}
		if p := s.wrong(t, "a whole segment removed"); !strings.Contains(p.String(), gone.said) {
			t.Errorf("segment %d gone: %v", gone.segment, p)
		}
		s.put(t, gone.segment, kept)
		s.sound(t)
	}
}

// A clock that is set back is named, but is nobody's edit: the book stays whole,
// and can be pruned.
func TestClockSetBack(t *testing.T) {
	s := newShelf(t)
	w, _, err := openBare(t, s)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	for _, at := range []time.Time{now, now.Add(-time.Second), now.Add(-time.Hour)} {
		if err := w.commit([]entry{{event: Event{Kind: Agent, Time: at}}}); err != nil {
			t.Fatal(err)
		}
	}
	w.close()
	if r := s.sound(t); len(r.Clock) != 1 || r.Clock[0].Seq != 3 || !strings.Contains(r.Clock[0].Why, "set back") {
		t.Errorf("clock back by an hour at event 3: %+v", r)
	}
	s.prune(t, Keep{Bytes: 1})
}

// openBare opens a writer without a book around it, so that a test sets the time.
func openBare(t *testing.T, s shelf) (writer, error, error) {
	t.Helper()
	for _, d := range []string{s.dir, filepath.Dir(s.anchor)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return openWriter(s.dir, s.anchor)
}

func TestReadingWritesNothing(t *testing.T) {
	s := newShelf(t)
	if _, err := Verify(s.dir, s.anchor); err != nil {
		t.Errorf("no book at all: %v", err)
	}
	if err := Read(s.dir, func(Event) error { return nil }); err != nil {
		t.Errorf("no book at all: %v", err)
	}
	if _, err := os.Lstat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made something: %v", err)
	}
}
