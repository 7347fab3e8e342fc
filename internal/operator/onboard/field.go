package onboard

import "slices"

// field is the place where one answer is made: a list to choose from, or a
// line to write on.
type field struct {
	options []option // empty for a line
	chosen  int

	line   []rune
	cursor int
	fresh  bool // the line holds the offered answer, and the first letter replaces it
}

// another is the last choice of a list that was looked up: write your own.
const another = "\x00another"

// newField offers value. A list that was looked up always has a way to write
// another answer; a fixed one is closed.
func newField(q question, value string, options []option) field {
	if len(options) == 0 {
		return field{line: []rune(value), cursor: len([]rune(value)), fresh: value != ""}
	}
	if q.lookup != nil {
		options = append(slices.Clone(options), option{another, "another …"})
	}
	chosen := slices.IndexFunc(options, func(o option) bool { return o.value == value })
	return field{options: options, chosen: max(chosen, 0)}
}

// value is the answer; free says that a line is wanted instead of the list.
func (f *field) value() (value string, free bool) {
	if len(f.options) == 0 {
		return string(f.line), false
	}
	v := f.options[f.chosen].value
	return v, v == another
}

func (f *field) press(k key) {
	if len(f.options) > 0 {
		f.pressList(k)
		return
	}
	f.pressLine(k)
}

func (f *field) pressList(k key) {
	n := len(f.options)
	switch k.name {
	case "up", "left":
		f.chosen = (f.chosen + n - 1) % n
	case "down", "right":
		f.chosen = (f.chosen + 1) % n
	case "home":
		f.chosen = 0
	case "end":
		f.chosen = n - 1
	case "":
		f.jump(k.text)
	}
}

// jump chooses by number, or by the first letter of a label.
func (f *field) jump(text string) {
	if len(text) != 1 {
		return
	}
	if i := int(text[0] - '1'); i >= 0 && i < len(f.options) {
		f.chosen = i
		return
	}
	for i, o := range f.options {
		if o.label != "" && lower(o.label[0]) == lower(text[0]) {
			f.chosen = i
			return
		}
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func (f *field) pressLine(k key) {
	switch k.name {
	case "left":
		f.cursor = max(f.cursor-1, 0)
	case "right":
		f.cursor = min(f.cursor+1, len(f.line))
	case "home":
		f.cursor = 0
	case "end":
		f.cursor = len(f.line)
	case "clear":
		f.line, f.cursor = nil, 0
	case "backspace":
		if f.cursor > 0 {
			f.line = slices.Delete(f.line, f.cursor-1, f.cursor)
			f.cursor--
		}
	case "delete":
		if f.cursor < len(f.line) {
			f.line = slices.Delete(f.line, f.cursor, f.cursor+1)
		}
	case "":
		f.write(k.text)
	default:
		return
	}
	f.fresh = false
}

func (f *field) write(text string) {
	if f.fresh {
		f.line, f.cursor = nil, 0
	}
	letters := slices.DeleteFunc([]rune(text), func(r rune) bool { return r < ' ' || r == 0x7f })
	f.line = slices.Insert(f.line, f.cursor, letters...)
	f.cursor += len(letters)
}
