package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong in a file. Line and Column count from 1,
// in characters.
type Problem struct {
	Line, Column int
	Message      string // what was found
	Want         string // what was expected, or what to write instead
	Excerpt      string // the line, and a caret below the place; ends without a line break
}

// Invalid is a file that gives no policy: all its problems, in the order of the
// text.
type Invalid struct {
	File     string
	Problems []Problem
}

// Summary is one line: the first problem, and how many more there are.
func (e *Invalid) Summary() string {
	text := e.line(e.Problems[0])
	switch more := len(e.Problems) - 1; more {
	case 0:
		return text
	case 1:
		return text + " (and 1 more problem)"
	default:
		return fmt.Sprintf("%s (and %d more problems)", text, more)
	}
}

// Error is every problem with its place in the text.
func (e *Invalid) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.line(p))
		if p.Excerpt != "" {
			b.WriteString("\n" + p.Excerpt)
		}
	}
	return b.String()
}

func (e *Invalid) line(p Problem) string {
	text := fmt.Sprintf("%s:%d:%d: %s", e.File, p.Line, p.Column, p.Message)
	switch {
	case strings.HasPrefix(p.Want, "did you mean"):
		text += "; " + p.Want
	case p.Want != "":
		text += "; expected " + p.Want
	}
	return text
}

// problems gathers what is wrong while a file is read.
type problems struct {
	file  string
	lines []string
	found []Problem
	hide  map[int]bool // lines that may hold a secret and are not shown
}

// maxProblems keeps the answer readable where a whole file is something else.
const maxProblems = 50

func (p *problems) add(line, column int, want, format string, args ...any) {
	p.found = append(p.found, Problem{
		Line: line, Column: column, Want: want,
		Message: fmt.Sprintf(format, args...), Excerpt: p.excerpt(line, column),
	})
}

// conceal keeps a line out of the messages: they are printed, and written to
// the book.
func (p *problems) conceal(line int) {
	if p.hide == nil {
		p.hide = map[int]bool{}
	}
	p.hide[line] = true
}

// err is nil where nothing was found.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	for i := range p.found {
		if p.hide[p.found[i].Line] {
			p.found[i].Excerpt = ""
		}
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if len(p.found) > maxProblems {
		p.found = p.found[:maxProblems]
	}
	return &Invalid{p.file, p.found}
}

// excerptWidth is how many characters of a line are shown.
const excerptWidth = 76

func (p *problems) excerpt(line, column int) string {
	if line < 1 || line > len(p.lines) || strings.TrimSpace(p.lines[line-1]) == "" {
		return ""
	}
	text := []rune(p.lines[line-1])
	from := 0
	if column > excerptWidth {
		from = min(column-excerptWidth/2, len(text))
	}
	text = text[from:min(len(text), from+excerptWidth)]
	caret := strings.Repeat(" ", max(0, column-1-from)) + "^"
	return fmt.Sprintf("%5d | %s\n      | %s", line, visible(text), caret)
}

// visible shows one character for one, so that the caret stands right and no
// escape sequence reaches the terminal.
func visible(text []rune) string {
	shown := make([]rune, len(text))
	for i, r := range text {
		switch {
		case r == '\t':
			shown[i] = '→'
		case !unicode.IsPrint(r):
			shown[i] = '·'
		default:
			shown[i] = r
		}
	}
	return strings.TrimRight(string(shown), " ")
}
