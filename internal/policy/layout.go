package policy

import "strings"

// layout is where a network policy's rules stand in its text, where they are
// elements of block lists, one below the other: what people write, and we.
//
// An element begins at the column of the list with a dash and goes on as long
// as lines are indented deeper, empty or a comment. An element that is whole by
// itself leaves YAML's reader in the state in which it found it (YAML 1.2.2,
// 8.2.1), so its lines mean the same wherever in the list they stand.
type layout struct {
	lists [2]blocks // of egress and of deny, as sections has them
	rest  string    // the text without the elements
	lines []int     // for each line of rest, which line of the text it is
}

// blocks are the elements of one list.
type blocks struct {
	head  int // the line of its key in rest; 0: the text has no such list
	parts []part
}

// part is one element: its lines with their ends, and the first one's number.
type part struct {
	text string
	line int
}

// ended is its text; the last one of a file may lack the end of its last line.
func (p part) ended() string {
	if strings.HasSuffix(p.text, "\n") {
		return p.text
	}
	return p.text + "\n"
}

// sections are the keys of the lists of rules, and what their rules do.
var sections = [2]struct {
	key    string
	action Action
}{{"egress", Allow}, {"deny", Deny}}

// cutting is the state while a text is cut into elements.
type cutting struct {
	layout
	kept   strings.Builder // rest
	inside *blocks         // the list that the line before belongs to, or nil
	column int             // of its dashes; -1 before the first
	begin  int             // the byte at which the last element begins; -1: none
	first  int             // its line
}

// layOut finds the elements; ok is false where the text is laid out otherwise,
// or where it is not worth finding out.
func layOut(text string) (l *layout, ok bool) {
	c := cutting{begin: -1}
	number := 0
	for at := 0; at < len(text); {
		end := len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		number++
		if !c.line(text, at, end, number) {
			return nil, false
		}
		at = end
	}
	c.close(text, len(text))
	c.rest = c.kept.String()
	return &c.layout, c.lists[0].head+c.lists[1].head > 0
}

// line takes the line text[at:end]; false: a layout that is not known here.
func (c *cutting) line(text string, at, end, number int) bool {
	indent, kind := look(text[at:end])
	switch {
	case kind == strange:
		return false
	case c.inside == nil, kind != empty && indent == 0 && kind != dash, kind != empty && indent == 0 && c.column > 0:
		return c.outside(text, at, end, number)
	case kind == dash && (c.column < 0 || indent == c.column):
		c.close(text, at)
		c.column, c.begin, c.first = indent, at, number
		return true
	case c.begin < 0: // before the first element
		c.keep(text[at:end], number)
		return kind == empty
	}
	return kind == empty || indent > c.column
}

// outside takes a line that belongs to no list.
func (c *cutting) outside(text string, at, end, number int) bool {
	c.close(text, at)
	c.inside = nil
	c.keep(text[at:end], number)
	for i, s := range sections {
		if !isHead(text[at:end], s.key) {
			continue
		}
		if c.lists[i].head > 0 {
			return false
		}
		c.lists[i].head = len(c.lines)
		c.inside, c.column = &c.lists[i], -1
	}
	return true
}

func (c *cutting) keep(line string, number int) {
	c.kept.WriteString(line)
	c.lines = append(c.lines, number)
}

// close ends the element that is open, if one is, before the byte at.
func (c *cutting) close(text string, at int) {
	if c.begin >= 0 {
		c.inside.parts = append(c.inside.parts, part{text[c.begin:at], c.first})
	}
	c.begin = -1
}

// kind is what a line is for the layout.
type kind int

const (
	other   kind = iota
	empty        // nothing, or a comment
	dash         // the beginning of an element of some list
	strange      // indented by a tab
)

// look says how far a line is indented, in spaces, and what follows.
func look(line string) (indent int, k kind) {
	for indent < len(line) && line[indent] == ' ' {
		indent++
	}
	rest := strings.TrimRight(line[indent:], "\r\n")
	switch {
	case rest == "" || rest[0] == '#':
		return indent, empty
	case rest[0] == '\t':
		return indent, strange
	case rest == "-" || strings.HasPrefix(rest, "- "):
		return indent, dash
	}
	return indent, other
}

// isHead says whether the line is a key alone, with a comment at most.
func isHead(line, key string) bool {
	after, ok := strings.CutPrefix(line, key+":")
	if !ok {
		return false
	}
	comment := strings.TrimLeft(after, " ")
	comment = strings.TrimRight(comment, "\r\n")
	return comment == "" || comment[0] == '#' && after[0] == ' '
}

// fits says whether the rules of p are those that stand in the elements, one in
// each.
func (l *layout) fits(p *Policy) bool {
	for i, s := range sections {
		parts, rules := l.lists[i].parts, p.of(s.action)
		if len(parts) != len(rules) {
			return false
		}
		for k, r := range rules {
			if r.line < parts[k].line || k+1 < len(parts) && r.line >= parts[k+1].line {
				return false
			}
		}
	}
	return true
}
