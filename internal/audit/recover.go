package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// found is the state of a book that was written before.
type found struct {
	head    head
	segment int   // to go on in; 0 is none
	size    int64 // to cut it to: what lies beyond was never durable
	damage  error // what cannot have been a crash
}

// look finds where the book of dir ends. Only what lies from the anchor on is
// read: Verify looks at all of it. It writes nothing.
func look(dir string, a anchor, anchorErr error) (found, error) {
	all, err := segments(dir)
	if err != nil {
		return found{}, err
	}
	last := 0
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	if errors.Is(anchorErr, errNoAnchor) && last == 0 {
		return found{head: start}, nil
	}
	if newer := (*Newer)(nil); errors.As(anchorErr, &newer) {
		return found{}, newer
	}
	if anchorErr != nil {
		return unanchored(dir, last, anchorErr)
	}
	if last == 0 && a.Seq == 0 {
		return found{head: start}, nil
	}
	f, err := follow(dir, a, last)
	if newer := (*Newer)(nil); errors.As(err, &newer) {
		return found{}, newer
	}
	if err != nil {
		return damaged(a.head(), last, err), nil
	}
	return f, nil
}

// unanchored is look where no anchor says what was durable. Then a line that is
// not right may be what a crash has left, or an edit with durable events behind
// it: all of it stays, and the book goes on in a new segment.
func unanchored(dir string, last int, why error) (found, error) {
	f, err := follow(dir, anchor{}, last)
	if newer := (*Newer)(nil); errors.As(err, &newer) {
		return found{}, newer
	}
	if err != nil {
		return damaged(start, last, errors.Join(why, err)), nil
	}
	info, err := os.Stat(filepath.Join(dir, nameOf(f.segment)))
	if err != nil {
		return found{}, fmt.Errorf("open book: %w", err)
	}
	if info.Size() != f.size {
		return damaged(f.head, last, why), nil
	}
	f.damage = why
	return f, nil
}

// damaged goes on in a new segment, after what the anchor says was there, so
// that Verify shows the break for good.
func damaged(h head, last int, why error) found {
	return found{head: h, segment: last + 1, damage: why}
}

// follow reads from the anchor's line to the end. An error is damage.
func follow(dir string, a anchor, last int) (found, error) {
	f := found{head: start, segment: max(a.Segment, 1)}
	anchored := a.Seq == 0
	torn := errors.New("the book breaks off before its last segment")
	for ; f.segment <= last; f.segment++ {
		offset := int64(0)
		if f.segment == a.Segment {
			offset = a.Offset
		}
		f.size = offset
		err := lines(dir, f.segment, offset, func(p place, line []byte) error {
			e, err := read(line)
			if newer := (*Newer)(nil); errors.As(err, &newer) {
				return newer
			}
			if !anchored {
				anchored = true
				if err != nil || !p.Whole || (head{e.Seq, e.Hash}) != a.head() {
					return fmt.Errorf("event %d, which the anchor names, is not where it was", a.Seq)
				}
			} else if err != nil || !p.Whole || f.head.next(e) != nil {
				if !tearable(p, line) {
					return fmt.Errorf("after event %d stands a line that no crash leaves", f.head.Seq)
				}
				return torn
			}
			f.head, f.size = head{e.Seq, e.Hash}, p.Offset+int64(len(line)+1)
			return nil
		})
		if errors.Is(err, torn) && f.segment == last {
			return f, nil
		}
		if err != nil {
			return found{}, err
		}
	}
	f.segment = last
	if !anchored {
		return found{}, fmt.Errorf("the book ends before event %d, which the anchor names", a.Seq)
	}
	return f, nil
}

// openSegment opens segment n to append, cut to size.
func openSegment(dir *os.Root, n int, size int64) (*os.File, error) {
	f, err := dir.OpenFile(nameOf(n), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open book: %w", err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(fmt.Errorf("open book: drop torn line: %w", err), f.Close())
	}
	if err := syncRoot(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncRoot makes the names in dir durable.
func syncRoot(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return fmt.Errorf("sync %q: %w", filepath.Base(dir.Name()), err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %q: %w", filepath.Base(dir.Name()), err)
	}
	return nil
}
