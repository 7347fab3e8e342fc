package onboard

import (
	"context"
	"errors"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

// wizard shows a form on a terminal. The fields are the form's own, not a
// library's: that library looks for clipboard programs along the whole PATH
// whenever the program starts, which every exec and run would pay for.
type wizard struct {
	form *form
}

// lookedUp is what a question's look-up brought.
type lookedUp struct {
	at      int
	options []option
	note    string
}

// readied is what the form's ready said.
type readied struct {
	look int
	err  error
}

// ask runs the form on the terminal until it is accepted. Leaving it is an
// error, and nothing was made.
func ask(ctx context.Context, v *say.Voice, f *form) error {
	p := tea.NewProgram(wizard{form: f}, tea.WithContext(ctx), tea.WithInput(v.In), tea.WithOutput(v.Err), tea.WithEnvironment(os.Environ()))
	if _, err := p.Run(); err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return err
	}
	if f.end != accepted {
		v.News("Nothing was made.")
		return say.Exit(say.Interrupted)
	}
	return nil
}

// Init starts the look-up of the first question.
func (w wizard) Init() tea.Cmd { return w.lookup() }

// Update hands keys and findings to the form.
func (w wizard) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	before, waited := w.form.at, w.form.waiting
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		w.form.width = m.Width
	case tea.KeyPressMsg:
		w.form.press(keyOf(tea.Key(m)))
	case tea.PasteMsg:
		w.form.press(key{text: strings.TrimSpace(m.Content)})
	case lookedUp:
		w.form.found(m.at, m.options, m.note)
	case readied:
		w.form.readied(m.look, m.err)
	}
	if w.form.end != open {
		return w, tea.Quit
	}
	if w.form.waiting && (w.form.at != before || !waited) {
		return w, w.lookup()
	}
	return w, nil
}

// View draws the form, or what stays when it is left.
func (w wizard) View() tea.View {
	if w.form.end != open {
		return tea.NewView(w.form.record())
	}
	return tea.NewView(w.form.view())
}

// lookup asks for what the form waits for, away from the screen: the options of
// the present question, or whether all is ready.
func (w wizard) lookup() tea.Cmd {
	f := w.form
	if !f.waiting {
		return nil
	}
	if f.reviewing() {
		look, ready, given := f.looks, f.ready, copied(f.answers)
		return func() tea.Msg { return readied{look, ready(given)} }
	}
	at, find, given := f.at, f.questions[f.at].lookup, copied(f.answers)
	return func() tea.Msg {
		options, note := find(given)
		return lookedUp{at, options, note}
	}
}

func copied(a answers) answers {
	c := answers{}
	for k, v := range a {
		c[k] = v
	}
	return c
}

// keyOf translates the terminal's key into the form's.
func keyOf(k tea.Key) key {
	switch s := k.Keystroke(); s {
	case "ctrl+c", "ctrl+d":
		return key{name: "quit"}
	case "ctrl+u":
		return key{name: "clear"}
	case "ctrl+a":
		return key{name: "home"}
	case "ctrl+e":
		return key{name: "end"}
	case "shift+tab":
		return key{name: "esc"}
	case "tab":
		return key{name: "down"}
	case "enter", "esc", "up", "down", "left", "right", "backspace", "delete", "home", "end":
		return key{name: s}
	}
	if k.Text == "" {
		return key{name: "other"}
	}
	return key{text: k.Text}
}
