package audit

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Read calls f with every event of the book in dir, oldest first, until f
// fails. It checks nothing (Verify does) and writes nothing; a torn last line
// is left out. It works while the sandbox runs.
func Read(dir string, f func(Event) error) error {
	all, err := segments(dir)
	if err != nil {
		return err
	}
	for _, n := range all {
		if err := readSegment(dir, n, f); err != nil {
			return err
		}
	}
	return nil
}

func readSegment(dir string, n int, f func(Event) error) error {
	return lines(dir, n, 0, func(p place, line []byte) error {
		if !p.Whole {
			return nil
		}
		e, err := decode(line)
		if err != nil {
			return fmt.Errorf("read book: %s line %d: %w", nameOf(n), p.Line, err)
		}
		return f(e)
	})
}

// Last is the last n events that keep likes, oldest first. It reads from the
// end, no further than it must.
func Last(dir string, n int, keep func(Event) bool) ([]Event, error) {
	all, err := segments(dir)
	if err != nil {
		return nil, err
	}
	var found []Event
	for i := len(all) - 1; i >= 0 && len(found) < n; i-- {
		var here []Event
		err := readSegment(dir, all[i], func(e Event) error {
			if keep(e) {
				here = append(here, e)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		found = append(here, found...)
	}
	return slices.Clone(found[max(0, len(found)-n):]), nil
}

// Since calls f with the events of the book in dir from a moment on, oldest
// first, until f fails. It reads no file whose events are all older.
func Since(dir string, from time.Time, f func(Event) error) error {
	all, err := segments(dir)
	if err != nil {
		return err
	}
	first := len(all) - 1
	for ; first > 0; first-- {
		begins, err := beginning(dir, all[first])
		if err != nil {
			return err
		}
		if !begins.IsZero() && begins.Before(from) {
			break
		}
	}
	for _, n := range all[max(first, 0):] {
		err := readSegment(dir, n, func(e Event) error {
			if e.Time.Before(from) {
				return nil
			}
			return f(e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// beginning is the time of a segment's first event, zero where it has none.
func beginning(dir string, segment int) (at time.Time, err error) {
	found := errors.New("found")
	err = readSegment(dir, segment, func(e Event) error {
		at = e.Time
		return found
	})
	if errors.Is(err, found) {
		err = nil
	}
	return at, err
}
