package approval

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How long things last.
const (
	retry   = time.Minute         // after an answer: in which one retry may use a once, and denied refuses
	longest = 30 * 24 * time.Hour // a longer allow is a rule of the policy
	waiting = 24 * time.Hour      // an unanswered question nobody asks again
	dial    = 10 * time.Minute    // a connection that has taken a once and says no more
	past    = time.Hour           // what has ended is listed this long
)

// Desk holds the questions of one sandbox.
type Desk struct {
	limit int                // of pending questions
	items []*Item            // in the order of asking
	byQ   map[Question]*Item // the newest of each that is not over
	next  uint64             // of IDs
	now   Moment             // of this call
}

// NewDesk makes an empty desk that holds at most limit pending questions; what
// is asked beyond is refused, so that a flood can hide nothing.
func NewDesk(limit int) *Desk {
	return &Desk{limit: max(1, limit), byQ: map[Question]*Item{}}
}

// Ask says what a new connection does. With Wait it is held under the ID, and
// ends with Claim or Lapsed. Allowed on a once grant takes the grant: the
// connection ends with Used or Released.
func (d *Desk) Ask(now Moment, q Question) (id string, what Decision) {
	d.tick(now)
	it := d.byQ[q]
	if it == nil {
		return d.open(now, q)
	}
	switch it.State {
	case StateUntil:
		it.count(now)
		return it.ID, Decision{Allowed, "allowed until " + it.Until.Format("15:04:05")}
	case StateDenied:
		it.count(now)
		return it.ID, Decision{Why: "the operator denied it a moment ago"}
	case StateOnce:
		if it.take() {
			it.count(now)
			return it.ID, Decision{Allowed, "allowed once"}
		}
		return d.open(now, q)
	}
	return it.ID, it.again(now)
}

// again: the question is pending.
func (it *Item) again(now Moment) Decision {
	it.count(now)
	if it.Lapsed {
		return Decision{Why: fmt.Sprintf("question %s is not answered yet", it.ID)}
	}
	it.Held++
	return Decision{Wait, "the operator is asked: " + it.ID}
}

func (it *Item) count(now Moment) { it.Count, it.Last = it.Count+1, now.Wall }

// take uses a once grant that is free.
func (it *Item) take() bool {
	if it.Taken {
		return false
	}
	it.Taken = true
	return true
}

// open asks a new question.
func (d *Desk) open(now Moment, q Question) (string, Decision) {
	if d.pending() >= d.limit {
		return "", Decision{Why: fmt.Sprintf("%d questions wait for the operator, and no more are taken", d.limit)}
	}
	it := &Item{ID: makeID(d.next), Question: q, State: StatePending, Asked: now.Wall, Notice: notice(q.Host)}
	d.next++
	d.items = append(d.items, it)
	d.byQ[q] = it
	return it.ID, it.again(now)
}

func (d *Desk) pending() int {
	n := 0
	for _, it := range d.items {
		if it.State == StatePending {
			n++
		}
	}
	return n
}

// Claim says what becomes of a connection that was held under the ID, once its
// question is answered. Of several that waited, a once lets one through.
func (d *Desk) Claim(now Moment, id string) Decision {
	d.tick(now)
	it := d.find(id)
	if it == nil {
		return Decision{Why: "the question is gone"}
	}
	if it.State == StatePending {
		return Decision{Wait, "the operator is asked: " + it.ID}
	}
	if it.claims == 0 && it.State != StateUntil {
		return Decision{Why: "the answer was for another connection"}
	}
	it.claims = max(0, it.claims-1)
	return it.claim()
}

func (it *Item) claim() Decision {
	switch it.State {
	case StateOnce:
		if it.take() {
			return Decision{Allowed, "allowed once"}
		}
		return Decision{Why: "allowed once, and another connection used it"}
	case StateUntil:
		return Decision{Allowed, "allowed until " + it.Until.Format("15:04:05")}
	case StateAlways:
		return Decision{Allowed, "allowed always"}
	case StateNever:
		return Decision{Why: "the operator denied it for good"}
	case StateExpired:
		return Decision{Why: "the answer has run out"}
	}
	return Decision{Why: "the operator denied it"}
}

// Lapsed: a connection held under the ID waits no longer, since its hold ended
// or its client left. The question stays, and the next connection fails at once
// until it is answered.
func (d *Desk) Lapsed(now Moment, id string) {
	d.tick(now)
	it := d.find(id)
	switch {
	case it == nil:
	case it.State == StatePending:
		it.Held = max(0, it.Held-1)
		it.Lapsed = true
	default:
		it.claims = max(0, it.claims-1)
	}
}

// Used: a connection got through on the answer. A once is over; false means
// that nothing allowed it any more and that it must end.
func (d *Desk) Used(now Moment, id string) bool {
	d.tick(now)
	it := d.find(id)
	switch {
	case it == nil:
		return false
	case it.State == StateOnce && it.Taken:
		d.end(it)
		return true
	}
	return it.State == StateUntil || it.State == StateAlways
}

// Released: a connection that had taken a once did not get through, and the
// grant is free again for what is left of its minute, unless the question was
// asked anew since.
func (d *Desk) Released(now Moment, id string) {
	d.tick(now)
	it := d.find(id)
	if it == nil || it.State != StateOnce {
		return
	}
	it.Taken = false
	if d.byQ[it.Question] != it {
		d.end(it)
	}
	d.age(it)
}

// end takes an item out of the questions that connections find.
func (d *Desk) end(it *Item) {
	it.State = StateExpired
	if it.Until.IsZero() {
		it.Until = d.now.Wall
	}
	d.forget(it)
}

func (d *Desk) forget(it *Item) {
	if d.byQ[it.Question] == it {
		delete(d.byQ, it.Question)
	}
}

// tick moves the time on and ends what is over.
func (d *Desk) tick(now Moment) {
	d.now = now
	d.items = slices.DeleteFunc(d.items, func(it *Item) bool {
		d.age(it)
		return it.over() && now.Wall.Sub(latest(it.Last, it.Until, it.Answered)) > past
	})
}

// age ends an item whose time has come. A once that a connection has taken
// ends with it, or at the latest when no dial could still be under way.
func (d *Desk) age(it *Item) {
	switch it.State {
	case StatePending:
		if it.Held == 0 && d.now.Wall.Sub(it.Last) > waiting {
			d.end(it)
		}
	case StateUntil, StateDenied:
		if !it.holds(d.now) {
			d.end(it)
		}
	case StateOnce:
		late := it.Taken && d.now.Wall.Sub(it.Until) > dial
		if late || !it.Taken && !it.holds(d.now) {
			d.end(it)
		}
	}
}

// over: nothing waits for it and no connection finds it.
func (it *Item) over() bool {
	return it.State == StateAlways || it.State == StateNever || it.State == StateExpired
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

func (d *Desk) find(id string) *Item {
	id = strings.ToLower(id)
	for _, it := range d.items {
		if it.ID == id {
			return it
		}
	}
	return nil
}

// Get is a copy of the item with that ID.
func (d *Desk) Get(now Moment, id string) (Item, bool) {
	d.tick(now)
	it := d.find(id)
	if it == nil {
		return Item{}, false
	}
	return *it, true
}

// List gives copies of all there is: what is pending first, in the order of
// asking, then the rest, the latest first.
func (d *Desk) List(now Moment) []Item {
	d.tick(now)
	list := make([]Item, 0, len(d.items))
	for _, it := range d.items {
		if it.State == StatePending {
			list = append(list, *it)
		}
	}
	for _, it := range slices.Backward(d.items) {
		if it.State != StatePending {
			list = append(list, *it)
		}
	}
	return list
}
