package onboard

import (
	"slices"
	"strings"
)

// A form asks its questions one after the other and ends on a review, from
// which any answer can be changed. It knows nothing of a terminal: keys go in,
// lines come out.
type form struct {
	questions []question
	answers   answers
	at        int  // the question being asked; len(questions) is the review
	reviewed  bool // the review was reached: Enter leads back there, past what is answered

	field   field
	waiting bool   // the question's options are being looked up
	note    string // what the look-up had to say
	problem string // why the last answer was refused
	row     int    // of the review: 0 creates, then the questions, then cancel
	width   int    // of the screen; 0 while unknown

	preset map[string]bool        // answered by a flag: asked again only from the review
	plan   func(answers) []string // lines of the review
	ready  func(answers) error    // is asked before the form is accepted; nil needs nothing
	lacks  error                  // what ready said
	looks  int                    // how often it was asked
	end    ending
}

// modelLater is the answer, beside the questions', that the model may come later.
const modelLater = "model-later"

// answers are what the form holds, by the flag that answers the same question.
type answers map[string]string

// question is one line of the wizard.
type question struct {
	flag   string
	label  func(answers) string
	secret bool
	start  func(answers) string                        // the answer that is offered
	fixed  []option                                    // choices that are known
	lookup func(answers) (found []option, note string) // choices that must be looked up; nil for none
	check  func(string, answers) error
	skip   func(answers) bool
}

// option is one choice.
type option struct{ value, label string }

// ending says how a form was left.
type ending uint8

const (
	open ending = iota
	accepted
	cancelled
)

// key is what a person pressed: "enter", "esc", "up", "down", "left", "right",
// "backspace", "delete", "home", "end", "clear", "quit", or text.
type key struct {
	name string
	text string
}

func newForm(questions []question, given answers, plan func(answers) []string) *form {
	f := &form{questions: questions, answers: given, plan: plan, at: -1, preset: map[string]bool{}}
	for flag := range given {
		f.preset[flag] = true
	}
	f.next()
	return f
}

// next moves to the next question that is to be asked, or to the review.
func (f *form) next() {
	for f.at++; f.at < len(f.questions) && f.done(f.questions[f.at]); f.at++ {
	}
	f.reviewed = f.reviewed || f.reviewing()
	f.settle()
}

// done says whether q need not be asked on the way to the review.
func (f *form) done(q question) bool {
	_, answered := f.answers[q.flag]
	return f.passes(q) || f.reviewed && answered
}

// passes says whether q is not asked at all but from the review.
func (f *form) passes(q question) bool { return f.preset[q.flag] || q.skip(f.answers) }

// back moves to the question before; from the first one there is no way back.
func (f *form) back() {
	for i := f.at - 1; i >= 0; i-- {
		if !f.passes(f.questions[i]) {
			f.at = i
			f.settle()
			return
		}
	}
}

// settle prepares the field of the question that is now asked.
func (f *form) settle() {
	f.problem, f.note, f.row, f.waiting, f.lacks = "", "", 0, false, nil
	if f.reviewing() {
		return
	}
	q := f.questions[f.at]
	f.field = newField(q, f.offered(q), q.fixed)
	f.waiting = q.lookup != nil
}

// offered is the earlier answer, or the question's own default.
func (f *form) offered(q question) string {
	if a, ok := f.answers[q.flag]; ok {
		return a
	}
	return q.start(f.answers)
}

func (f *form) reviewing() bool { return f.at >= len(f.questions) }

// found takes in what the question's look-up brought.
func (f *form) found(at int, options []option, note string) {
	if at != f.at || !f.waiting {
		return
	}
	q := f.questions[f.at]
	f.waiting, f.note = false, note
	f.field = newField(q, f.offered(q), options)
}

// press acts on one key.
func (f *form) press(k key) {
	switch {
	case k.name == "quit":
		f.end = cancelled
	case f.waiting && k.name != "esc":
	case f.reviewing():
		f.pressReview(k)
	case k.name == "esc":
		f.back()
	case k.name == "enter":
		f.answer()
	default:
		f.problem = ""
		f.field.press(k)
	}
}

// answer checks what stands in the field and moves on.
func (f *form) answer() {
	q := f.questions[f.at]
	value, free := f.field.value()
	if free {
		f.field = newField(q, "", nil)
		return
	}
	if err := q.check(value, f.answers); err != nil {
		f.problem = explain(err)
		return
	}
	if before, had := f.answers[q.flag]; had && before != value {
		f.forget(f.at)
	}
	f.answers[q.flag] = value
	f.next()
}

// forget drops answers that hung on the one that changes: another provider has
// another URL, key and model.
func (f *form) forget(at int) {
	hang := map[string][]string{
		"provider":      {"inference-url", "key", "model"},
		"inference-url": {"model"},
	}
	for _, flag := range hang[f.questions[at].flag] {
		delete(f.answers, flag)
		delete(f.preset, flag)
	}
}

// pressReview moves on the review: create, change an answer, cancel.
func (f *form) pressReview(k key) {
	rows := f.rows()
	switch k.name {
	case "up":
		f.row = (f.row + len(rows) - 1) % len(rows)
	case "down":
		f.row = (f.row + 1) % len(rows)
	case "esc":
		f.back()
	case "enter":
		f.choose(rows[f.row])
	}
}

// readied takes in what ready said when it was asked for the look-th time.
func (f *form) readied(look int, err error) {
	if !f.reviewing() || !f.waiting || look != f.looks {
		return
	}
	f.waiting, f.lacks = false, err
	if err == nil {
		f.end = accepted
	}
}

// Rows of the review that are no question.
const (
	rowCreate = -1
	rowCancel = -2
	rowLater  = -3
)

// rows lists what the review offers, top to bottom.
func (f *form) rows() []int {
	rows := []int{rowCreate}
	if f.lacks != nil {
		rows = append(rows, rowLater)
	}
	for i, q := range f.questions {
		if !q.skip(f.answers) {
			rows = append(rows, i)
		}
	}
	return append(rows, rowCancel)
}

func (f *form) choose(row int) {
	switch row {
	case rowCreate:
		if f.ready != nil {
			f.waiting, f.lacks, f.looks = true, nil, f.looks+1
			return
		}
		f.end = accepted
	case rowLater:
		f.answers[modelLater] = "yes"
		f.end = accepted
	case rowCancel:
		f.end = cancelled
	default:
		f.at = row
		f.settle()
	}
}

// shown is an answer as it may stand on a screen.
func (q question) shown(value string) string {
	if q.secret && value != "" {
		return strings.Repeat("•", 8)
	}
	if i := slices.IndexFunc(q.fixed, func(o option) bool { return o.value == value }); i >= 0 {
		return q.fixed[i].label
	}
	return value
}

// explain is an error with what helps, on one line.
func explain(err error) string {
	text := err.Error()
	if h, ok := err.(interface{ Hint() string }); ok && h.Hint() != "" {
		text += " → " + h.Hint()
	}
	return text
}
