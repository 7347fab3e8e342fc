package audit

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
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
	for round := range 4 {
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
		s.sound(t)
	}
}

func TestATornEndIsDropped(t *testing.T) {
	for name, tail := range map[string]string{
		"half a line":          `{"v":1,"seq":4,"ti`,
		"zeros":                strings.Repeat("\x00", 4096),
		"a line of no event":   "garbage\n",
		"an edited line":       `{"v":1,"seq":4,"prev":"","hash":"` + strings.Repeat("0", 64) + "\"}\n",
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
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.fill(t, 5)
			tamper(t, s)
			before := s.wrong(t, name)
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
			t.Logf("before: %v; after: %v", before, err)
		})
	}
}

func TestAMissingAnchorIsWrittenDown(t *testing.T) {
	s := newShelf(t)
	s.fill(t, 3)
	if err := os.Remove(s.anchor); err != nil {
		t.Fatal(err)
	}
	s.fill(t, 1)
	b := s.open(t)
	if err := b.Damage(); err != nil {
		t.Errorf("found once more: %v", err)
	}
	closeBook(t, b)
	all := s.events(t)
	if r := s.sound(t); r.Damage != 1 || len(all) != 5 || !strings.Contains(all[3].Why, "anchor is missing") {
		t.Errorf("report %+v, events %+v", r, all)
	}
}
