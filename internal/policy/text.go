package policy

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// text is a YAML file that is being edited: small changes to the letters, so
// that all else stays as a person wrote it. After an error nothing changes any
// more. It promises nothing; finish compares what the result says.
type text struct {
	mark string // byte order mark, or ""
	s    string
	eol  string
	err  error
}

var errLayout = errors.New("layout not known")

func newText(data []byte) *text {
	s, found := strings.CutPrefix(string(data), byteOrderMark)
	t := &text{s: s, eol: newline(data)}
	if found {
		t.mark = byteOrderMark
	}
	return t
}

func (t *text) bytes() []byte { return []byte(t.mark + t.s) }

// root is the tree of the text as it is now; nil after an error.
func (t *text) root() *yaml.Node {
	if t.err != nil {
		return nil
	}
	root := readDocument("", "", []byte(t.s)).root
	if root == nil || root.Kind != yaml.MappingNode {
		t.err = errLayout
		return nil
	}
	return root
}

func (t *text) replace(from, to int, with string) {
	if from < 0 || to < from || to > len(t.s) {
		t.err = errLayout
		return
	}
	t.s = t.s[:from] + with + t.s[to:]
}

// insertLines puts lines before the line of that number, from 1.
func (t *text) insertLines(before int, lines ...string) {
	at := offset(t.s, before, 1)
	if at > 0 && t.s[at-1] != '\n' {
		t.s = t.s[:at] + t.eol + t.s[at:]
		at += len(t.eol)
	}
	t.replace(at, at, strings.Join(lines, t.eol)+t.eol)
}

// insertLast puts an element before the bracket that closes a list or a map.
func (t *text) insertLast(n *yaml.Node, element string) {
	closing := flowEnd(t.s, offset(t.s, n.Line, n.Column)) - 1
	at := closing
	if len(n.Content) > 0 { // right behind the last element, before a comment on it
		at = end(t.s, n.Content[len(n.Content)-1])
		element = ", " + element
		if gap := space(t.s[at:]); strings.HasPrefix(t.s[at+gap:], ",") { // a final comma
			at += gap + 1
			element = strings.TrimPrefix(element, ",")
		}
	}
	t.replace(at, at, element)
}

// addKey adds a line to the root map.
func (t *text) addKey(line string) {
	root := t.root()
	switch {
	case root == nil:
	case root.Style&yaml.FlowStyle != 0:
		t.insertLast(root, line)
	default:
		t.insertLines(t.lastLine()+1, indent(root.Column)+line)
	}
}

func indent(column int) string { return strings.Repeat(" ", max(0, column-1)) }

// lastLine is the last line of the document, before a final "..." and blank
// lines.
func (t *text) lastLine() int {
	lines := splitLines(t.s)
	last := len(lines)
	for i, line := range lines {
		if line == "..." || strings.HasPrefix(line, "... ") {
			last = i
		}
	}
	for last > 0 && strings.TrimSpace(lines[last-1]) == "" {
		last--
	}
	return last
}

// addItem adds a map with these fields at the end of the list under a root key.
func (t *text) addItem(key string, fields []string) {
	root := t.root()
	if root == nil {
		return
	}
	inline := "{" + strings.Join(fields, ", ") + "}"
	k, v := find(root, key)
	switch {
	case k == nil && root.Style&yaml.FlowStyle != 0:
		t.addKey(key + ": [" + inline + "]")
	case k == nil:
		t.addKey(key + ":" + t.eol + itemLines(root.Column+2, fields, t.eol))
	case isNull(v) && v.Value == "":
		t.insertLines(k.Line+1, itemLines(root.Column+2, fields, t.eol))
	case isNull(v):
		t.replace(offset(t.s, v.Line, v.Column), end(t.s, v), "["+inline+"]")
	case v.Style&yaml.FlowStyle != 0 && len(v.Content) == 0 && root.Style&yaml.FlowStyle == 0 && flowEnd(t.s, offset(t.s, v.Line, v.Column)) == offset(t.s, v.Line, v.Column)+2:
		t.openList(root, k, v, fields)
	case v.Style&yaml.FlowStyle != 0:
		t.insertLast(v, inline)
	default:
		t.insertLines(t.afterItem(v, len(v.Content)-1), itemLines(v.Column, fields, t.eol))
	}
}

// openList makes a block list of "key: []".
func (t *text) openList(root, k, v *yaml.Node, fields []string) {
	at := offset(t.s, v.Line, v.Column)
	from := len(strings.TrimRight(t.s[:at], " "))
	t.replace(from, at+2, "")
	t.insertLines(k.Line+1, itemLines(root.Column+2, fields, t.eol))
}

// itemLines is an element of a block list whose dash stands in that column.
func itemLines(column int, fields []string, eol string) string {
	lines := make([]string, len(fields))
	for i, field := range fields {
		lines[i] = indent(column) + separator(i, "- ", "  ") + field
	}
	return strings.Join(lines, eol)
}

// contentEnd is the last line of an element of a block list.
func (t *text) contentEnd(list *yaml.Node, i int) int {
	lines := splitLines(t.s)
	last := lineOf(t.s, end(t.s, list.Content[i]))
	for at := last; at < len(lines); at++ {
		line := lines[at]
		switch {
		case strings.TrimSpace(line) == "" || isComment(line):
		case indentation(line) < list.Column:
			return last
		default:
			last = at + 1
		}
	}
	return last
}

// afterItem is the line after an element and the comments that are indented as
// deep as its fields.
func (t *text) afterItem(list *yaml.Node, i int) int {
	lines := splitLines(t.s)
	last := t.contentEnd(list, i)
	for at := last; at < len(lines); at++ {
		line := lines[at]
		if strings.TrimSpace(line) == "" {
			continue
		}
		if indentation(line) < list.Column {
			break
		}
		last = at + 1
	}
	return last + 1
}

func isComment(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") }

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// removeItem takes an element out of the list under a root key.
func (t *text) removeItem(key string, i int) {
	root := t.root()
	if root == nil {
		return
	}
	_, v := find(root, key)
	if v == nil || i >= len(v.Content) {
		t.err = errLayout
		return
	}
	if v.Style&yaml.FlowStyle != 0 {
		t.removeElement(v.Content[i])
		return
	}
	first := v.Content[i].Line
	for first > 1 && !hasDash(t.s, first, v.Column) {
		first--
	}
	t.removeLines(first, t.contentEnd(v, i))
}

func hasDash(s string, line, column int) bool {
	at := offset(s, line, column)
	return at < len(s) && s[at] == '-'
}

// removeLines takes lines out, but for comments that have a line of their own.
func (t *text) removeLines(first, last int) {
	lines := strings.SplitAfter(t.s, "\n")
	var kept []string
	for i, line := range lines {
		if i+1 < first || i+1 > last || isComment(line) {
			kept = append(kept, line)
		}
	}
	t.s = strings.Join(kept, "")
}

// removeElement takes an element and one comma out of a list in brackets.
func (t *text) removeElement(n *yaml.Node) {
	from, to := offset(t.s, n.Line, n.Column), end(t.s, n)
	comma := to + space(t.s[to:])
	if comma < len(t.s) && t.s[comma] == ',' {
		t.replace(comma, comma+1, "")
		t.replace(from, to, "")
		return
	}
	t.replace(from, to, "")
	before := len(strings.TrimRight(t.s[:from], " \t\r\n"))
	if before > 0 && t.s[before-1] == ',' {
		t.replace(before-1, before, "")
	}
}

// setField gives a field of an element of the list under a root key a value.
func (t *text) setField(key string, i int, field, value string) {
	root := t.root()
	if root == nil {
		return
	}
	_, list := find(root, key)
	if list == nil || i < 0 || i >= len(list.Content) {
		t.err = errLayout
		return
	}
	item := list.Content[i]
	_, old := find(item, field)
	switch {
	case old != nil:
		t.setValue(old, value)
	case item.Style&yaml.FlowStyle != 0:
		t.insertLast(item, field+": "+value)
	default:
		t.insertLines(t.contentEnd(list, i)+1, indent(item.Column)+field+": "+value)
	}
}

// setValue replaces a value that has an end of its own in the text.
func (t *text) setValue(n *yaml.Node, value string) {
	from := offset(t.s, n.Line, n.Column)
	to := end(t.s, n)
	block := n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0
	if block || to == from || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		t.err = errLayout
		return
	}
	t.replace(from, to, value)
}

// dropField takes a field that has lines of its own out of an element.
func (t *text) dropField(key string, i int, field string) {
	root := t.root()
	if root == nil {
		return
	}
	_, list := find(root, key)
	k, v := find(list.Content[i], field)
	if k == nil || list.Content[i].Style&yaml.FlowStyle != 0 || k.Line == list.Content[i].Line {
		t.err = errLayout
		return
	}
	t.removeLines(k.Line, lineOf(t.s, end(t.s, v)))
}
