package term

import (
	"errors"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func hinter(err error) (say.Hinter, bool) {
	var h say.Hinter
	ok := errors.As(err, &h)
	return h, ok
}

// press acts on one key.
func (v *view) press(k tea.Key) tea.Cmd {
	v.key = v.now()
	name := k.Keystroke()
	if k.Text != "" && len(name) > 1 && name != "space" {
		name = k.Text // "?" is shift+/ on some keyboards
	}
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case name == "ctrl+z":
		return tea.Suspend
	case v.typing:
		v.searchKey(name, k.Text)
		return nil
	}
	if _, isWord := wordOf(name); isWord {
		return v.answerKey(name)
	}
	if s, isSort := sorts()[name]; isSort {
		v.feed.sort, v.feed.at = s, 0
		return nil
	}
	return v.command(name)
}

// command is every key that answers nothing.
func (v *view) command(name string) tea.Cmd {
	switch name {
	case "q":
		return tea.Quit
	case "?":
		v.toggle(helpSheet())
	case "/":
		v.typing, v.sheet = true, nil
	case "v":
		if v.at != "" {
			return v.policy(v.at)
		}
	case "i":
		v.open()
	case "esc":
		v.back()
	case "tab":
		v.turn(1)
	case "shift+tab":
		v.turn(int(panes) - 1)
	case "left", "right":
		v.aim(name)
	case "enter":
		return v.enter()
	default:
		v.steer(name)
	}
	return nil
}

// steer moves in what has the arrows.
func (v *view) steer(name string) {
	page := max(1, v.height/3)
	step, ok := map[string]int{
		"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -page, "pgdown": page, "space": page,
		"home": -mostEntries, "g": -mostEntries, "end": mostEntries, "G": mostEntries,
	}[name]
	switch {
	case !ok:
	case v.sheet != nil:
		v.sheet.top += step // drawing keeps it within the text
	case v.focused() == questions:
		v.choose(step)
	case v.focused() == sandboxes:
		v.walk(step)
	default:
		v.feed.move(step)
	}
}

// focused is the pane that the arrows move in: never an empty one.
func (v *view) focused() pane {
	if v.focus == questions && len(v.pending()) == 0 {
		return events
	}
	return v.focus
}

func (v *view) turn(n int) {
	v.sheet = nil
	v.focus = pane((int(v.focused()) + n) % int(panes))
	if v.focus == questions && len(v.pending()) == 0 {
		v.focus = pane((int(v.focus) + n) % int(panes))
	}
}

// choose moves to another question.
func (v *view) choose(step int) {
	all := v.pending()
	i := slices.IndexFunc(all, func(q question) bool { return q.id == v.sel })
	if next := min(max(0, i+step), len(all)-1); next != i {
		v.show(all[next].id, true)
		v.since = v.since.Add(-guard) // the operator's own move needs no guard
		return
	}
	v.picked = true
}

func (v *view) walk(step int) {
	i := slices.Index(v.order, v.at)
	if len(v.order) > 0 {
		v.at = v.order[min(max(0, i+step), len(v.order)-1)]
	}
}

// aim moves among the card's buttons. From none, it begins at either end.
func (v *view) aim(name string) {
	if _, ok := v.card(); !ok {
		return
	}
	v.picked = true
	n := len(words())
	switch {
	case name == "right":
		v.button = min(v.button+1, n-1)
	case v.button < 0:
		v.button = n - 1
	default:
		v.button = max(v.button-1, 0)
	}
}

// enter presses the button that the operator moved to; without one it only
// shows more.
func (v *view) enter() tea.Cmd {
	if v.button >= 0 && v.sheet == nil {
		return v.answerKey(words()[v.button].key)
	}
	if v.focused() == sandboxes && v.sheet == nil {
		v.narrow()
		return nil
	}
	v.open()
	return nil
}

// answerKey gives the card's question its answer, once, and not before the
// operator can have seen it.
func (v *view) answerKey(key string) tea.Cmd {
	q, ok := v.card()
	w, _ := wordOf(key)
	_, sent := v.sending[q.id]
	switch {
	case !ok:
		v.note(text("nothing waits for an answer"))
	case !v.isWhole():
		v.note(line{{yellow, "not answered: this window is too low to show all of the question"}})
	case sent:
		v.note(text("that answer is on its way"))
	case v.fresh():
		v.note(line{{yellow, "not answered: this question has just come; press again"}})
	default:
		v.sending[q.id] = w
		return v.send(q.id, w)
	}
	return nil
}

// narrow shows the events of one sandbox, or of all again.
func (v *view) narrow() {
	v.feed.at = 0
	if v.feed.only == v.at {
		v.feed.only = ""
		return
	}
	v.feed.only = v.at
}

// open shows all there is about what the operator stands on.
func (v *view) open() {
	switch v.focused() {
	case questions:
		if q, ok := v.card(); ok {
			v.toggle(v.questionSheet(q))
		}
	case sandboxes:
		if r := v.rows[v.at]; r != nil {
			v.toggle(v.sandboxSheet(v.at, r))
		}
	default:
		shown := v.feed.shown()
		if i := v.feed.place(shown); i >= 0 {
			v.toggle(eventSheet(shown[i]))
		}
	}
}

// toggle shows a sheet; the same one again goes away.
func (v *view) toggle(s *sheet) {
	if v.sheet != nil && v.sheet.title == s.title {
		s = nil
	}
	v.sheet = s
}

// back leaves what is narrowest: a sheet, a button, a search, a filter.
func (v *view) back() {
	switch {
	case v.sheet != nil:
		v.sheet = nil
	case v.button >= 0:
		v.button = -1
	case v.feed.search != "":
		v.feed.search, v.feed.at = "", 0
	case v.feed.only != "" || v.feed.sort.like != nil:
		v.feed.only, v.feed.sort, v.feed.at = "", sorts()["0"], 0
	default:
		v.feed.at = 0
	}
}

// searchKey takes a key of a search, which narrows as it is typed.
func (v *view) searchKey(name, text string) {
	switch name {
	case "enter":
		v.typing = false
	case "esc":
		v.typing, v.feed.search = false, ""
	case "backspace":
		if r := []rune(v.feed.search); len(r) > 0 {
			v.feed.search = string(r[:len(r)-1])
		}
	case "ctrl+u":
		v.feed.search = ""
	default:
		v.paste(text)
	}
	v.feed.at = 0
}

// paste is text for a search, and for nothing else.
func (v *view) paste(text string) {
	if v.typing {
		v.feed.search += strings.ToLower(say.Clean(text))
	}
}
