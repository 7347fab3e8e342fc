package term

import (
	"context"
	"maps"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// guard is how long a new alert takes no key: a finger on its way to another
// question must not answer this one.
const guard = 500 * time.Millisecond

// lingering is how long after the last key the operator's place counts. Who
// has gone for a coffee is to see what is held, not where he stood.
const lingering = 30 * time.Second

// noticed is how long the outcome of an answer stays on the screen.
const noticed = 8 * time.Second

// pane is what the arrow keys move in.
type pane uint8

const (
	questions pane = iota
	events
	sandboxes
	panes // how many
)

// view is what the operator sees. It implements tea.Model; one goroutine, the
// program's, uses it.
type view struct {
	width, height int
	colour        bool
	now           func() time.Time
	send          func(q id, w word) tea.Cmd // gives an answer; its message is answered
	policy        func(n state.Name) tea.Cmd // reads a policy file; its message is read
	rows          map[state.Name]*row        // by name
	order         []state.Name               // as they are shown
	looked        bool                       // the state folder was read once
	trouble       error                      // of reading it
	feed          feed
	calls         calls // model calls that are being answered
	asks          asks
	sending       map[id]word // answers on their way
	done          map[id]bool // answered here, before their sandbox says so
	seen          map[id]bool // questions that were on the list

	sel    id        // the question on the card
	picked bool      // the operator moved to it
	key    time.Time // of the last key
	since  time.Time // when it came on the screen
	button int       // where the operator moved to; -1 for none

	focus  pane
	at     state.Name // in the sandboxes
	sheet  *sheet     // over the feed; nil for none
	typing bool       // a search
	notice line
	until  time.Time // of notice
}

// row is one sandbox.
type row struct {
	status    control.Status
	hold      time.Duration // 0 where unknown
	since     time.Time     // of status
	here      bool          // its events come in
	known     bool          // status was said once
	approvals []control.Approval
}

// sheet is a text that can be scrolled.
type sheet struct {
	title string
	lines []line
	top   int
	about id // the question that it shows; zero for none
}

func newView() *view {
	return &view{
		width: 80, height: 24, now: time.Now,
		send:   func(id, word) tea.Cmd { return nil },
		policy: func(state.Name) tea.Cmd { return nil },
		rows:   map[state.Name]*row{}, feed: newFeed(), asks: asks{},
		sending: map[id]word{}, done: map[id]bool{}, seen: map[id]bool{},
		button: -1,
	}
}

// Init starts the clock.
func (v *view) Init() tea.Cmd { return second() }

func second() tea.Cmd {
	return tea.Tick(time.Second, func(time.Time) tea.Msg { return tick{} })
}

// Update takes one message.
func (v *view) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		v.width, v.height = max(1, m.Width), max(1, m.Height)
		return v, tea.ClearScreen // what a terminal makes of the old screen at another size is its own affair
	case tea.KeyPressMsg:
		return v, v.press(tea.Key(m))
	case tea.PasteMsg: // nothing that is pasted presses a key
		v.paste(m.Content)
	case tick:
		return v, tea.Batch(second(), v.settle())
	case found:
		v.find(m)
	case attached:
		v.attach(m.name)
	case away:
		v.leave(m)
	case standing:
		if r := v.rows[m.name]; r != nil {
			r.status, r.hold, r.known, r.since = m.status, m.hold, true, v.now()
		}
	case asked:
		return v, v.ask(m)
	case speaking:
		v.calls = v.calls.take(m)
	case happened:
		v.happen(m)
	case answered:
		v.settleAnswer(m)
	case read:
		v.sheet = &sheet{title: m.title, lines: m.lines, top: m.top}
	}
	return v, v.settle()
}

// find takes in what sandboxes there are.
func (v *view) find(m found) {
	v.looked, v.trouble = true, m.err
	if m.err != nil {
		return
	}
	for n := range v.rows {
		if !slices.Contains(m.names, n) {
			v.forget(n)
		}
	}
	for _, n := range m.names {
		if v.rows[n] == nil {
			v.rows[n] = &row{}
		}
	}
	v.order = m.names
	if v.rows[v.at] == nil {
		v.at = ""
	}
	if v.at == "" && len(v.order) > 0 {
		v.at = v.order[0]
	}
}

// forget drops a sandbox that was destroyed. What it did stays in the feed.
func (v *view) forget(n state.Name) {
	delete(v.rows, n)
	delete(v.feed.high, n)
	v.calls = v.calls.without(n)
	v.forgetAsked(n)
	if v.feed.only == n {
		v.feed.only = ""
	}
}

func (v *view) forgetAsked(n state.Name) {
	of := func(q id) bool { return q.sandbox == n }
	maps.DeleteFunc(v.asks, func(q id, _ []time.Time) bool { return of(q) })
	maps.DeleteFunc(v.sending, func(q id, _ word) bool { return of(q) })
	maps.DeleteFunc(v.done, func(q id, _ bool) bool { return of(q) })
	maps.DeleteFunc(v.seen, func(q id, _ bool) bool { return of(q) })
}

func (v *view) attach(n state.Name) {
	if r := v.rows[n]; r != nil {
		r.here = true
		v.forgetAsked(n) // whatever it says now is what holds
	}
}

func (v *view) leave(m away) {
	v.calls = v.calls.without(m.name)
	if r := v.rows[m.name]; r != nil {
		*r = row{status: m.status, known: true, since: v.now()}
	}
}

// ask takes in a sandbox's questions, and rings for one that is new.
func (v *view) ask(m asked) tea.Cmd {
	r := v.rows[m.name]
	if r == nil {
		return nil
	}
	r.approvals = m.all
	listed := map[id]bool{}
	ring := false
	for _, a := range m.all {
		q := id{m.name, a.ID}
		listed[q] = true
		if a.State != pending {
			delete(v.done, q)
			delete(v.asks, q)
			continue
		}
		ring = ring || !v.seen[q]
		v.seen[q] = true
	}
	maps.DeleteFunc(v.seen, func(q id, _ bool) bool { return q.sandbox == m.name && !listed[q] })
	maps.DeleteFunc(v.asks, func(q id, _ []time.Time) bool { return q.sandbox == m.name && !listed[q] })
	cmd := v.settle()
	if !ring {
		return cmd
	}
	return tea.Batch(cmd, tea.Raw("\a"))
}

func (v *view) happen(m happened) {
	if v.rows[m.name] == nil {
		return
	}
	v.feed.take(m)
	for _, e := range m.events {
		if e.Kind == "approval" && e.Verdict == "ask" && e.ID != "" {
			for range min(max(1, e.Count), mostAsks) {
				v.asks.add(id{m.name, e.ID}, e.Time)
			}
		}
	}
}

// pending is the questions that wait, the most urgent first.
func (v *view) pending() []question {
	var all []question
	for n, r := range v.rows {
		for _, a := range r.approvals {
			q := question{id{n, a.ID}, a}
			if a.State == pending && !v.done[q.id] {
				all = append(all, q)
			}
		}
	}
	slices.SortFunc(all, byUrgency)
	return all
}

// card is the question that the keys answer; false where there is none.
func (v *view) card() (question, bool) {
	for _, q := range v.pending() {
		if q.id == v.sel {
			return q, true
		}
	}
	return question{}, false
}

// settle keeps the card on a question that waits. One that the operator moved
// to stays as long as he is there; else one that is held comes before one that
// is not.
func (v *view) settle() tea.Cmd {
	all := v.pending()
	if len(all) == 0 {
		v.sel, v.picked, v.button = id{}, false, -1
		v.leaf()
		return nil
	}
	i := slices.IndexFunc(all, func(q question) bool { return q.id == v.sel })
	here := v.picked && v.now().Sub(v.key) < lingering
	if i >= 0 && (here || all[i].Held > 0 || all[0].Held == 0) {
		return nil
	}
	v.show(all[0].id, false)
	return tea.Tick(guard, func(time.Time) tea.Msg { return ripe{} })
}

// show puts a question on the card, with no button chosen.
func (v *view) show(q id, picked bool) {
	v.sel, v.picked, v.button, v.since = q, picked, -1, v.now()
	v.leaf()
}

// leaf closes a sheet about another question than the card's: no key shall be meant
// for the one and answer the other.
func (v *view) leaf() {
	if v.sheet != nil && v.sheet.about != (id{}) && v.sheet.about != v.sel {
		v.sheet = nil
	}
}

// fresh says whether the card is too new to take a key.
func (v *view) fresh() bool { return v.now().Sub(v.since) < guard }

// settleAnswer takes in what became of an answer.
func (v *view) settleAnswer(m answered) {
	delete(v.sending, m.to)
	if m.err != nil {
		v.note(line{{red, "not answered: "}, {plain, explain(m.err)}})
		return
	}
	v.done[m.to] = true
	to := question{m.to, m.now}.destination()
	v.note(line{{green, m.word.done + ": "}, {plain, to}, {faint, "  " + string(m.to.sandbox)}})
}

// note puts a notice on the screen.
func (v *view) note(l line) { v.notice, v.until = l, v.now().Add(noticed) }

// explain is an error with what helps, on one line.
func explain(err error) string {
	text := err.Error()
	if h, ok := hinter(err); ok && h.Hint() != "" {
		text += " → " + h.Hint()
	}
	return text
}

// answerer gives answers over a dialled client.
func answerer(ctx context.Context, dial func(context.Context, state.Name) (*control.Client, error)) func(id, word) tea.Cmd {
	return func(q id, w word) tea.Cmd {
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			c, err := dial(ctx, q.sandbox)
			if err != nil {
				return answered{to: q, word: w, err: err}
			}
			defer c.Close()
			now, err := c.Answer(ctx, q.id, w.answer)
			return answered{q, w, now, err}
		}
	}
}
