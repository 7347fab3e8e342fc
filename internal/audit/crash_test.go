package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain lets a test start this same program as a writer that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "write-until-killed" {
		writeUntilKilled(os.Args[2], os.Args[3])
	}
	os.Exit(m.Run())
}

// writeUntilKilled says on stdout what is durable.
func writeUntilKilled(dir, anchor string) {
	b, err := Open(dir, anchor)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	b.writer.limit = 4 << 10 // owned by run, which has had nothing to do yet: killed in many a rotation
	for i := 1; ; i++ {
		b.Append(Event{Kind: Network, Why: strings.Repeat("x", i%3000)})
		if err := b.Sync(context.Background(), Event{Kind: Approval, Count: i}); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("durable", i)
	}
}

func TestKilledWriterLosesNothingDurable(t *testing.T) {
	s := newShelf(t)
	said := 0
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "write-until-killed", s.dir, s.anchor)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		last := 0
		for lines.Scan() {
			if _, err := fmt.Sscanf(lines.Text(), "durable %d", &last); err != nil {
				t.Fatal(lines.Text())
			}
			if last == 20+7*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed, as it should be
		said += last
		acts := 0
		for _, e := range s.events(t) {
			if e.Kind == Approval {
				acts++
			}
		}
		if acts < said {
			t.Fatalf("round %d: the book has %d of %d durable events", round, acts, said)
		}
		said = acts // one more may have become durable than was said
		if r := s.sound(t); r.Segments < 2*(round+1) {
			t.Fatalf("round %d: only %d segments", round, r.Segments)
		}
	}
}

func TestATornEndIsDropped(t *testing.T) {
	for name, tail := range map[string]string{
		"half a line":          `{"v":1,"seq":4,"ti`,
		"zeros":                strings.Repeat("\x00", 4096),
		"a line of no event":   "garbage\n",
		"nothing, the control": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.fill(t, 3)
			whole := s.bytes(t, 1)
			s.put(t, 1, slices.Concat(whole, []byte(tail)))
			if r := s.sound(t); r.Torn != (tail != "") || r.Events != 3 {
				t.Errorf("report %+v", r)
			}
			closeBook(t, s.open(t))
			if got := s.bytes(t, 1); !bytes.Equal(got, whole) {
				t.Errorf("after Open the book is %q", got)
			}
			s.fill(t, 1)
			if r := s.sound(t); r.Events != 4 || r.Damage != 0 {
				t.Errorf("report %+v", r)
			}
		})
	}
}

// Killed after the lines were synced and before the anchor was written.
func TestABookLongerThanItsAnchorIsACrash(t *testing.T) {
	s := newShelf(t)
	s.fill(t, 2)
	old, err := os.ReadFile(s.anchor)
	if err != nil {
		t.Fatal(err)
	}
	s.fill(t, 3)
	if err := os.WriteFile(s.anchor, old, 0o600); err != nil {
		t.Fatal(err)
	}
	s.sound(t)
	s.fill(t, 1)
	if r := s.sound(t); r.Events != 6 || r.Damage != 0 {
		t.Errorf("report %+v", r)
	}
}

// The start after a tampering goes on, says so, and hides nothing.
func TestOpenKeepsTheEvidence(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, s shelf){
		"last events deleted": func(t *testing.T, s shelf) {
			all := bytes.SplitAfter(s.bytes(t, 1), []byte("\n"))
			s.put(t, 1, bytes.Join(all[:3], nil))
		},
		"last event edited": func(t *testing.T, s shelf) {
			s.put(t, 1, bytes.Replace(s.bytes(t, 1), []byte("host-4"), []byte("host-9"), 1))
		},
		"all deleted": func(t *testing.T, s shelf) {
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(t *testing.T, s shelf) { s.put(t, 1, nil) },
		"anchor and last events deleted": func(t *testing.T, s shelf) {
			all := bytes.SplitAfter(s.bytes(t, 1), []byte("\n"))
			s.put(t, 1, bytes.Join(all[:3], nil))
			s.unmoor(t)
		},
		"anchor deleted, an event edited": func(t *testing.T, s shelf) {
			s.put(t, 1, bytes.Replace(s.bytes(t, 1), []byte("host-2"), []byte("host-9"), 1))
			s.unmoor(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.fill(t, 5)
			tamper(t, s)
			before, all := s.wrong(t, name), s.everything(t)
			b := s.open(t)
			if b.Damage() == nil {
				t.Error("Open found nothing")
			}
			closeBook(t, b)
			s.fill(t, 2)
			r, err := Verify(s.dir, s.anchor)
			if err == nil || r.Damage != 1 {
				t.Errorf("after the next start: %v, %+v", err, r)
			}
			if now := s.everything(t); !bytes.HasPrefix(now, all) {
				t.Error("the start has changed what was there")
			}
			t.Logf("before: %v; after: %v", before, err)
		})
	}
}

func TestAMissingAnchorIsWrittenDown(t *testing.T) {
	s := newShelf(t)
	s.fill(t, 3)
	s.unmoor(t)
	s.fill(t, 1)
	b := s.open(t)
	if err := b.Damage(); err != nil {
		t.Errorf("found once more: %v", err)
	}
	closeBook(t, b)
	all := s.events(t)
	if p := s.wrong(t, "an anchor that was missing"); p.Seq != 4 || len(all) != 5 || !strings.Contains(p.Why, "anchor is missing") {
		t.Errorf("problem %v, events %+v", p, all)
	}
}

// What a later nemoclaw wrote is refused, not judged, and above all not cut.
func TestANewerBookIsRefused(t *testing.T) {
	for name, of := range map[string]func(s shelf) string{
		"anchor": func(s shelf) string { return s.anchor },
		"event":  func(s shelf) string { return filepath.Join(s.dir, nameOf(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.fill(t, 3)
			text, err := os.ReadFile(of(s))
			if err != nil {
				t.Fatal(err)
			}
			later := bytes.Replace(text, []byte(`{"v":1,`), []byte(`{"v":2,`), 1)
			if name == "event" { // as a later one would write it, with a hash that fits
				end := bytes.IndexByte(later, '\n')
				body := later[:end-hashLen]
				later = []byte(string(body) + hashOpen + hashOf(body) + hashClose + string(later[end:]))
				s.unmoor(t) // so that it is read from its first line
			}
			if err := os.WriteFile(of(s), later, 0o600); err != nil {
				t.Fatal(err)
			}
			before := s.everything(t)
			var newer *Newer
			if b, err := Open(s.dir, s.anchor); !errors.As(err, &newer) {
				t.Errorf("Open: %v", err)
				if err == nil {
					closeBook(t, b)
				}
			}
			if _, err := Verify(s.dir, s.anchor); name == "anchor" && !errors.As(err, &newer) {
				t.Errorf("Verify: %v", err)
			}
			if now := s.everything(t); !bytes.Equal(now, before) {
				t.Errorf("the book was %d bytes, is %d", len(before), len(now))
			}
			if now, err := os.ReadFile(of(s)); err != nil || !bytes.Equal(now, later) {
				t.Errorf("the %s was written, or %v", name, err)
			}
		})
	}
}

// unmoor takes the anchor away.
func (s shelf) unmoor(t testing.TB) {
	t.Helper()
	if err := os.Remove(s.anchor); err != nil {
		t.Fatal(err)
	}
}

// everything is all segments, one after another.
func (s shelf) everything(t testing.TB) (all []byte) {
	t.Helper()
	numbers, err := segments(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		all = append(all, s.bytes(t, n)...)
	}
	return all
}
