package audit

import (
	"fmt"
	"slices"
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
