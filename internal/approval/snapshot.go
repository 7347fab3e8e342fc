package approval

import "fmt"

// Snapshot is a desk as plain values, for a file. It names programs and hosts,
// no secrets.
type Snapshot struct {
	Version int    `json:"v"`
	Next    uint64 `json:"next"` // IDs that were given out
	Items   []Item `json:"items"`
}

// Version of the form; another one is refused.
const Version = 1

// Snapshot copies the desk.
func (d *Desk) Snapshot() Snapshot {
	s := Snapshot{Version: Version, Next: d.next, Items: make([]Item, len(d.items))}
	for i, it := range d.items {
		s.Items[i] = *it
	}
	return s
}

// Restore makes a desk of a snapshot. Its connections are gone: what waited has
// lapsed, and a once that one had taken counts as used.
func Restore(limit int, s Snapshot) (*Desk, error) {
	if s.Version != Version {
		return nil, fmt.Errorf("restore approvals: version %d: not %d", s.Version, Version)
	}
	d := NewDesk(limit)
	d.next = s.Next
	for i := range s.Items {
		it := s.Items[i]
		if err := d.check(it); err != nil {
			return nil, fmt.Errorf("restore approvals: item %d: %w", i, err)
		}
		d.put(&it)
	}
	return d, nil
}

func (d *Desk) check(it Item) error {
	switch it.State {
	case StatePending, StateOnce, StateUntil, StateAlways, StateDenied, StateNever, StateExpired:
	default:
		return fmt.Errorf("state %q: not known", it.State)
	}
	if it.ID == "" || d.find(it.ID) != nil {
		return fmt.Errorf("id %q: empty or there twice", it.ID)
	}
	ends := it.State == StateOnce || it.State == StateUntil || it.State == StateDenied
	if ends && it.Until.IsZero() {
		return fmt.Errorf("id %q: %s without an end", it.ID, it.State)
	}
	if !it.over() && d.byQ[it.Question] != nil {
		return fmt.Errorf("id %q: the question is there twice", it.ID)
	}
	return nil
}

func (d *Desk) put(it *Item) {
	it.Held, it.claims = 0, 0
	it.Lapsed = it.State == StatePending
	d.items = append(d.items, it)
	if !it.over() {
		d.byQ[it.Question] = it
	}
	if it.Taken {
		it.Taken = false
		d.end(it)
	}
}
