package onboard

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

// The four inks of the wizard; the terminal's own colours.
const (
	bold  = "\x1b[1m"
	faint = "\x1b[2m"
	cyan  = "\x1b[36m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

// view draws the form: the answers so far, and the question or the review.
func (f *form) view() string {
	var b strings.Builder
	if f.reviewing() {
		f.viewReview(&b)
		return b.String()
	}
	for i, q := range f.questions[:f.at] {
		if a, ok := f.answers[q.flag]; ok && !q.skip(f.answers) {
			answered(&b, f.questions[i].label(f.answers), q.shown(a))
		}
	}
	f.viewQuestion(&b)
	return b.String()
}

func answered(b *strings.Builder, label, value string) {
	_, _ = fmt.Fprintf(b, "%s?%s %s → %s%s%s\n", cyan, plain, say.Clean(label), bold, say.Clean(value), plain)
}

func (f *form) viewQuestion(b *strings.Builder) {
	q := f.questions[f.at]
	_, _ = fmt.Fprintf(b, "%s?%s %s → ", cyan, plain, say.Clean(q.label(f.answers)))
	switch {
	case f.waiting:
		b.WriteString(faint + "looking …" + plain + "\n")
	case len(f.field.options) > 0:
		f.field.viewList(b)
	default:
		f.field.viewLine(b, q.secret)
	}
	f.viewWords(b, faint, f.note)
	f.viewWords(b, red, f.problem)
	b.WriteString(faint + "  Enter accepts · Esc goes back · Ctrl-C leaves, nothing is made yet" + plain + "\n")
}

// viewWords shows words, what helps on a line of its own, none cut off.
func (f *form) viewWords(b *strings.Builder, ink, words string) {
	if words == "" {
		return
	}
	room := f.width - 4
	if f.width == 0 {
		room = 76
	}
	what, helps, _ := strings.Cut(say.Clean(words), " → ")
	_, _ = fmt.Fprintf(b, "  %s%s%s\n", ink, strings.ReplaceAll(ansi.Wrap(what, room, ""), "\n", "\n  "), plain)
	if helps != "" {
		_, _ = fmt.Fprintf(b, "  %s→ %s%s\n", ink, strings.ReplaceAll(ansi.Wrap(helps, room-2, ""), "\n", "\n    "), plain)
	}
}

func (f *field) viewList(b *strings.Builder) {
	b.WriteString(bold + say.Clean(f.options[f.chosen].label) + plain + "\n")
	for i, o := range f.options {
		if i == f.chosen {
			_, _ = fmt.Fprintf(b, "  %s▸ %s%s\n", cyan, say.Clean(o.label), plain)
			continue
		}
		_, _ = fmt.Fprintf(b, "    %s\n", say.Clean(o.label))
	}
}

// viewLine shows the line with its cursor; of a secret, only how long it is.
func (f *field) viewLine(b *strings.Builder, secret bool) {
	letters := make([]string, 0, len(f.line)+1)
	for _, r := range f.line {
		if secret {
			letters = append(letters, "•")
			continue
		}
		letters = append(letters, say.Clean(string(r)))
	}
	letters = append(letters, " ")
	letters[f.cursor] = "\x1b[7m" + letters[f.cursor] + plain
	b.WriteString(strings.Join(letters, "") + "\n")
}

func (f *form) viewReview(b *strings.Builder) {
	b.WriteString(bold + "Review" + plain + faint + " · nothing is made yet\n" + plain)
	for i, row := range f.rows() {
		mark := "  "
		if i == f.row {
			mark = cyan + "▸ " + plain
		}
		_, _ = fmt.Fprintf(b, "%s%s\n", mark, f.reviewRow(row))
	}
	b.WriteString("\n")
	switch {
	case f.waiting:
		f.viewWords(b, faint, "asking the model server …")
	case f.lacks != nil:
		f.viewWords(b, red, explain(f.lacks))
	}
	for _, line := range f.plan(f.answers) {
		_, _ = fmt.Fprintf(b, "  %s%s%s\n", faint, say.Clean(line), plain)
	}
	b.WriteString(faint + "  Enter creates, or changes the chosen answer · Esc goes back · Ctrl-C leaves" + plain + "\n")
}

func (f *form) reviewRow(row int) string {
	switch row {
	case rowCreate:
		if f.lacks != nil {
			return bold + "Look again, and create this sandbox" + plain
		}
		return bold + "Create this sandbox" + plain
	case rowLater:
		return "Create it all the same: its model comes later"
	case rowCancel:
		return "Cancel"
	}
	q := f.questions[row]
	return fmt.Sprintf("%s → %s%s%s", say.Clean(q.label(f.answers)), bold, say.Clean(q.shown(f.answers[q.flag])), plain)
}

// record is what stays on the screen when the form is left.
func (f *form) record() string {
	var b strings.Builder
	for _, q := range f.questions {
		if a, ok := f.answers[q.flag]; ok && !q.skip(f.answers) {
			answered(&b, q.label(f.answers), q.shown(a))
		}
	}
	return b.String()
}
