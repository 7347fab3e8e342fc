package term

import (
	"slices"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// What the feed keeps. The book has all of it.
const (
	mostEntries = 2000
	mostText    = 16 << 10 // bytes of one prompt or answer
)

// entry is one event of one sandbox.
type entry struct {
	serial  uint64 // of arrival, never 0
	sandbox state.Name
	audit.Event
}

// feed is the last events of all sandboxes, in the order of time.
type feed struct {
	entries []entry
	serial  uint64
	high    map[state.Name]uint64 // the newest line of each book that was taken in
	sort    sort
	search  string     // lower case
	only    state.Name // "" for all
	at      uint64     // the entry the operator moved to; 0 follows the newest
}

// sort is what kind of events is shown.
type sort struct {
	name string
	like func(audit.Event) bool // nil for all
}

// sorts are the filters by their keys.
func sorts() map[string]sort {
	of := func(kinds ...audit.Kind) func(audit.Event) bool {
		return func(e audit.Event) bool { return slices.Contains(kinds, e.Kind) }
	}
	return map[string]sort{
		"0": {"all", nil},
		"1": {"verdicts", of(audit.Network, audit.HTTP, audit.Names, audit.Approval)},
		"2": {"refusals", func(e audit.Event) bool { return e.Verdict == "deny" || e.Kind == audit.Syscall }},
		"3": {"system calls", of(audit.Syscall)},
		"4": {"model calls", of(audit.Inference)},
		"5": {"changes", of(audit.Start, audit.Stop, audit.Reload, audit.Change, audit.Agent, audit.Session, audit.Damage, audit.Gap)},
	}
}

func newFeed() feed { return feed{high: map[state.Name]uint64{}, sort: sorts()["0"]} }

// take adds events, each line of a book once. A book that begins anew is
// another sandbox of the same name.
func (f *feed) take(m happened) {
	if n := len(m.events); m.old && n > 0 && m.events[n-1].Seq < f.high[m.name] {
		delete(f.high, m.name)
	}
	for _, e := range m.events {
		if e.Kind != audit.Gap && e.Seq <= f.high[m.name] {
			continue
		}
		f.high[m.name] = max(f.high[m.name], e.Seq)
		f.serial++
		f.entries = append(f.entries, entry{f.serial, m.name, shortened(e)})
	}
	if m.old {
		slices.SortStableFunc(f.entries, func(a, b entry) int { return a.Time.Compare(b.Time) })
	}
	if over := len(f.entries) - mostEntries; over > 0 {
		f.entries = slices.Delete(f.entries, 0, over)
	}
}

// shortened bounds what one event holds in memory.
func shortened(e audit.Event) audit.Event {
	if e.Call == nil {
		return e
	}
	c := *e.Call
	c.Prompt, c.Answer, c.Extra = short(c.Prompt), short(c.Answer), short(c.Extra)
	e.Call = &c
	return e
}

func short(s string) string {
	if len(s) <= mostText {
		return s
	}
	return strings.Clone(s[:mostText]) + " … (nemoclaw NAME inference log has all of it)"
}

// shown is the entries that the filters let through.
func (f *feed) shown() []entry {
	if f.sort.like == nil && f.search == "" && f.only == "" {
		return f.entries
	}
	var out []entry
	for _, e := range f.entries {
		if f.passes(e) {
			out = append(out, e)
		}
	}
	return out
}

func (f *feed) passes(e entry) bool {
	if f.only != "" && e.sandbox != f.only || f.sort.like != nil && !f.sort.like(e.Event) {
		return false
	}
	return f.search == "" || strings.Contains(strings.ToLower(say.Clean(searched(e))), f.search)
}

// searched is all that a search looks at.
func searched(e entry) string {
	all := []string{string(e.sandbox), string(e.Kind), e.Verdict, e.Program, e.Target, e.Rule, e.Why, e.By, e.ID}
	if c := e.Call; c != nil {
		all = append(all, c.Asked, c.Given, c.Prompt, c.Answer, c.Error)
	}
	return strings.Join(all, " ")
}

// place is where the operator stands among the shown entries; following, at
// the last. -1 where there is none.
func (f *feed) place(shown []entry) int {
	if f.at != 0 {
		if i := slices.IndexFunc(shown, func(e entry) bool { return e.serial == f.at }); i >= 0 {
			return i
		}
	}
	return len(shown) - 1
}

// move steps by n, and follows the newest again from the last one on.
func (f *feed) move(n int) {
	shown := f.shown()
	if len(shown) == 0 {
		return
	}
	i := min(max(0, f.place(shown)+n), len(shown)-1)
	f.at = shown[i].serial
	if i == len(shown)-1 {
		f.at = 0
	}
}
