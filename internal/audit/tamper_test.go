package audit

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// wrong demands that Verify finds something, and says at which event.
func (s shelf) wrong(t testing.TB, what string) Problem {
	t.Helper()
	_, err := Verify(s.dir, s.anchor)
	var bad *Tampered
	if !errors.As(err, &bad) {
		t.Fatalf("%s: Verify says %v", what, err)
	}
	return bad.First
}

func TestAnyBitFlipIsFound(t *testing.T) {
	s := newShelf(t)
	s.fill(t, 3)
	whole := s.bytes(t, 1)
	s.sound(t) // the control
	for at := range whole {
		line := 1 + bytes.Count(whole[:at], []byte("\n"))
		for bit := range 8 {
			edited := slices.Clone(whole)
			edited[at] ^= 1 << bit
			s.put(t, 1, edited)
			p := s.wrong(t, "flipped")
			// A flipped newline joins its line with the next; one that becomes a
			// newline cuts its line in two. Either way it is that line.
			if p.Line != line && !(p.Line == 0 && line == 3) {
				t.Fatalf("byte %d bit %d is in line %d: Verify says %v", at, bit, line, p)
			}
		}
	}
}

func TestAnyRemovedLineIsFound(t *testing.T) {
	s := newShelf(t)
	const n = 12
	s.fill(t, n)
	whole := s.bytes(t, 1)
	all := bytes.SplitAfter(whole, []byte("\n"))[:n]
	for from := range n {
		for to := from + 1; to <= n; to++ {
			s.put(t, 1, bytes.Join(slices.Concat(all[:from], all[to:]), nil))
			if p := s.wrong(t, "removed"); to < n && p.Line != from+1 {
				t.Errorf("lines %d to %d removed: Verify says %v", from+1, to, p)
			}
		}
	}
}

func TestAnyReorderedOrDoubledLineIsFound(t *testing.T) {
	s := newShelf(t)
	const n = 8
	s.fill(t, n)
	all := bytes.SplitAfter(s.bytes(t, 1), []byte("\n"))[:n]
	for i := range n {
		for j := range n {
			changed := slices.Clone(all)
			if i == j {
				changed = slices.Insert(changed, i, all[i])
			} else {
				changed[i], changed[j] = changed[j], changed[i]
			}
			s.put(t, 1, bytes.Join(changed, nil))
			s.wrong(t, "moved")
		}
	}
}

func TestRandomEditsAreFound(t *testing.T) {
	s := newShelf(t)
	s.fill(t, 200)
	whole := s.bytes(t, 1)
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		from := r.IntN(len(whole))
		to := min(len(whole), from+1+r.IntN(2000))
		noise := make([]byte, r.IntN(1+to-from))
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		edited := slices.Concat(whole[:from], noise, whole[to:])
		if bytes.Equal(edited, whole) {
			continue
		}
		s.put(t, 1, edited)
		s.wrong(t, "edited")
	}
}

// The whole book written anew, with hashes that fit: only the anchor tells.
func TestARewrittenBookIsFound(t *testing.T) {
	s, forged := newShelf(t), newShelf(t)
	s.fill(t, 5)
	forged.fill(t, 5)
	s.put(t, 1, forged.bytes(t, 1))
	if p := s.wrong(t, "rewritten"); !strings.Contains(p.Why, "anchor") {
		t.Errorf("Verify says %v", p)
	}
}

func TestAnchorGoneOrEdited(t *testing.T) {
	s := newShelf(t)
	s.fill(t, 5)
	record, err := os.ReadFile(s.anchor)
	if err != nil {
		t.Fatal(err)
	}
	for at := range record {
		for bit := range 8 {
			edited := slices.Clone(record)
			edited[at] ^= 1 << bit
			if err := os.WriteFile(s.anchor, edited, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(s.dir, s.anchor); !errors.As(err, new(*Newer)) { // a digit flipped upwards
				s.wrong(t, "anchor edited")
			}
		}
	}
	s.unmoor(t)
	s.wrong(t, "anchor removed")
}

// Beyond its anchor a book ends where a crash has cut it. A line that is whole and well
// formed is no such end: it was put there, is shown by whoever reads the book, and stays
// named after the next start.
func TestAnAppendedLineIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		add   string // "$" is the last line
		crash bool
	}{
		"nothing":          {"", true},
		"a torn line":      {`{"v":1,"seq":6,"kind":"appro`, true},
		"empty blocks":     {strings.Repeat("\x00", 4096), true},
		"and more of it":   {strings.Repeat("\x00", 50) + "\"}\n", true},
		"a forged event":   {`{"v":1,"seq":6,"kind":"approval","verdict":"allow"}` + "\n", false},
		"the last again":   {"$", false},
		"an empty object":  {"{}\n", false},
		"one and its tear": {"{}\n{", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.fill(t, 5)
			whole := s.bytes(t, 1)
			last := whole[bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1:]
			s.put(t, 1, slices.Concat(whole, []byte(strings.ReplaceAll(c.add, "$", string(last)))))
			if c.crash {
				s.sound(t)
			} else {
				s.wrong(t, "appended")
			}
			s.fill(t, 1) // a start
			if c.crash {
				s.sound(t)
			} else {
				s.wrong(t, "after a start")
			}
		})
	}
}

// In the place of a file nothing else is read.
func TestASegmentThatIsNoFile(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"link": func(path string) error {
			return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
		},
		"FIFO": func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.fill(t, 5)
			if err := replace(filepath.Join(s.dir, nameOf(1))); err != nil {
				t.Fatal(err)
			}
			if p := s.wrong(t, name); p.Segment != nameOf(1) {
				t.Errorf("%v", p)
			}
			s.fill(t, 1)
			s.wrong(t, "after a start")
		})
	}
}

func FuzzVerify(f *testing.F) {
	s := newShelf(f)
	s.fill(f, 4)
	whole := s.bytes(f, 1)
	f.Add(whole[:len(whole)-1])
	f.Add(bytes.Replace(whole, []byte("deny"), []byte("allow"), 1))
	f.Fuzz(func(t *testing.T, book []byte) {
		s.put(t, 1, book)
		_, err := Verify(s.dir, s.anchor)
		// Law: sound means that the book begins with what was written.
		if err == nil && !bytes.HasPrefix(book, whole) {
			t.Errorf("taken as sound: %q", book)
		}
	})
}
