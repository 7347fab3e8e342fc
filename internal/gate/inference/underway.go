package inference

import (
	"time"
	"unicode/utf8"
)

// Underway is a call that is being answered, as far as it has come. A word on it
// is told when a provider is asked, a few times a second while the answer
// streams, and once at the end; the record follows.
type Underway struct {
	ID    uint64 // of this router's
	Call  Call   // as it may be written; Answer is its last words
	Ended bool
}

const (
	tellEvery = 200 * time.Millisecond
	lastWords = 1 << 10 // bytes of the answer
)

// tell says how far the call is, where somebody listens; not more often than
// somebody can read, unless it begins or ends.
func (x *exchange) tell(now time.Time, always bool) {
	if x.router.cfg.Underway == nil || !always && now.Sub(x.toldAt) < tellEvery {
		return
	}
	x.toldAt = now
	x.router.cfg.Underway(func() Underway { return x.underway(now) })
}

// underway is made only where somebody listens: it copies and masks.
func (x *exchange) underway(now time.Time) Underway {
	c := x.call
	c.Duration = milliseconds(now.Sub(x.began))
	c.Prompt, c.Extra, c.Answer, c.Steps = "", "", "", nil
	if x.policy != nil && x.policy.LogFull() {
		c.Answer = x.router.secrets.mask(ending(x.tally.text.String(), lastWords+border))
		c.Answer = ending(c.Answer, lastWords)
	}
	return Underway{ID: x.serial, Call: c.clean(true, x.router.secrets.mask)}
}

// ending is the last n bytes of s, in whole letters.
func ending(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}
