package approval

import (
	"fmt"
	"time"
)

// Unknown is an ID that the desk does not have.
type Unknown struct{ ID string }

func (e *Unknown) Error() string { return fmt.Sprintf("approval %q: no such question", e.ID) }

// Hint says where the IDs are.
func (e *Unknown) Hint() string { return "nemoclaw NAME approvals lists them" }

// BadAnswer is an answer that does not fit the question.
type BadAnswer struct{ Why, Want string }

func (e *BadAnswer) Error() string { return "answer: " + e.Why }

// Hint says what to answer instead.
func (e *BadAnswer) Hint() string { return e.Want }

// Answer gives a question its answer, or takes one back: a grant that still
// holds is ended by a denial, and what was denied can be allowed. Connections
// that wait then learn it by Claim. For Always the caller writes the rule
// into the policy first.
func (d *Desk) Answer(now Moment, id string, a Answer) (Item, error) {
	d.tick(now)
	it := d.find(id)
	if it == nil {
		return Item{}, &Unknown{id}
	}
	if err := a.check(); err != nil {
		return Item{}, err
	}
	if it.Taken {
		return Item{}, &BadAnswer{"a connection is being made on it right now", "answer again in a moment"}
	}
	if other := d.byQ[it.Question]; other != nil && other != it {
		return Item{}, &BadAnswer{"the question was asked again since", "answer " + other.ID}
	}
	d.settle(now, it, a)
	return *it, nil
}

func (a Answer) check() error {
	switch {
	case a.Scope > Always:
		return &BadAnswer{"no such scope", "once, for a time, or always"}
	case a.Scope == For && !a.Allow:
		return &BadAnswer{"a denial is for once or for always", "deny, or deny --always"}
	case a.Scope == For && (a.For <= 0 || a.For > longest):
		return &BadAnswer{fmt.Sprintf("%s is no time to allow something for", a.For), "from 1s to 720h, or --always"}
	case a.Scope != For && a.For != 0:
		return &BadAnswer{"a time without its scope", "--for 1h"}
	}
	return nil
}

// settle writes the answer down.
func (d *Desk) settle(now Moment, it *Item, a Answer) {
	it.claims, it.Held, it.Lapsed = it.Held, 0, false
	it.Answered = now.Wall
	it.Until, it.BootUntil, it.Run = time.Time{}, 0, ""
	d.byQ[it.Question] = it
	switch {
	case a.Scope == Always:
		it.State = StateNever
		if a.Allow {
			it.State = StateAlways
		}
		d.forget(it)
	case !a.Allow:
		it.State = StateDenied
		it.lasts(now, retry)
	case a.Scope == For:
		it.State = StateUntil
		it.lasts(now, a.For)
	default:
		it.State = StateOnce
		it.lasts(now, retry)
	}
}
