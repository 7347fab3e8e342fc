package term

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// calls are the model calls that are being answered, in the order of their
// beginning.
type calls []speaking

// mostCalls bounds what a sandbox that asks without end can put on the screen.
const mostCalls = 100

// take takes in how far a call has come; one that ended is an event from now on.
func (c calls) take(m speaking) calls {
	i := slices.IndexFunc(c, func(o speaking) bool { return o.name == m.name && o.call.ID == m.call.ID })
	switch {
	case m.call.Ended && i >= 0:
		return slices.Delete(c, i, i+1)
	case m.call.Ended:
		return c
	case i >= 0:
		c[i] = m
		return c
	case len(c) == mostCalls:
		return c
	}
	return append(c, m)
}

// without drops those of a sandbox that is away.
func (c calls) without(n state.Name) calls {
	return slices.DeleteFunc(c, func(o speaking) bool { return o.name == n })
}

// shownCalls is those that fit among the events: where the newest are followed
// and no filter leaves model calls out.
func (v *view) shownCalls(most int) calls {
	if most < 1 || v.feed.at != 0 || v.feed.search != "" || v.feed.sort.like != nil && v.feed.sort.name != "model calls" {
		return nil
	}
	var out calls
	for _, c := range v.calls {
		if v.feed.only == "" || v.feed.only == c.name {
			out = append(out, c)
		}
	}
	return out[max(0, len(out)-most):]
}

// row is a call as a line under the events: the model, how long it has taken,
// and the last words of the answer.
func (s speaking) row(names, width int) line {
	l := line{{faint, clock(s.call.Time) + " "}}
	if names > 0 {
		l = l.with(faint, pad(string(s.name), names)+" ")
	}
	took := time.Duration(s.call.Millis) * time.Millisecond
	l = l.with(cyan, "… "+pad("model", 7)+" ").with(plain, cmp.Or(s.call.Given, s.call.Asked)).
		with(faint, "  "+took.Round(100*time.Millisecond).String()+"  ")
	return l.with(plain, lastOf(s.call.Answer, width-l.width()-1))
}

// lastOf is the end of a text, on one line of at most width columns.
func lastOf(s string, width int) string {
	s = say.Clean(strings.Join(strings.Fields(s), " "))
	r := []rune(s)
	for i := max(0, len(r)-width); i < len(r); i++ { // letters may be two columns wide
		if t := string(r[i:]); text(t).width() <= width {
			return t
		}
	}
	return ""
}
