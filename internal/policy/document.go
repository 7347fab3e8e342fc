package policy

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a file: 1 MiB holds some ten thousand rules.
const maxFile = 1 << 20

const byteOrderMark = "\ufeff"

// document is a file's text as a tree of nodes, before anything is known about
// its meaning: plain YAML 1.2 without anchors, tags or further documents, so
// that what a person reads is what is enforced.
type document struct {
	problems
	whole string
	root  *yaml.Node // nil where there are problems
	key   *yaml.Node // whose value is being read
}

// readDocument never fails: a document with problems has no root. The example
// is what an empty file could say.
func readDocument(file, example string, data []byte) *document {
	text := strings.TrimPrefix(string(data), byteOrderMark)
	d := &document{whole: text, problems: problems{file: file, lines: splitLines(text)}}
	d.checkText(text)
	if len(d.found) > 0 {
		return d
	}
	var trees []yaml.Node
	if err := yaml.Load([]byte(text), &trees, yaml.WithAllDocuments()); err != nil {
		d.addYAML(err)
		return d
	}
	d.takeFirst(trees, example)
	return d
}

func splitLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}

// checkText refuses what readers of YAML disagree about: bytes that are no
// text, and line breaks that only some programs see (a rule could stand behind
// one, in what an editor shows as a comment).
func (d *document) checkText(text string) {
	if len(text) > maxFile {
		d.add(1, 1, "at most 1 MiB", "a file of %d bytes", len(text))
		return
	}
	for i, line := range d.lines {
		column := 0
		for at, r := range line {
			column++
			switch {
			case r == utf8.RuneError && !strings.HasPrefix(line[at:], "\ufffd"):
				d.add(i+1, column, "text in UTF-8", "a byte that is no character")
			case r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
				d.add(i+1, column, `lines that end with \n`, "the line break %+q", r)
			case r < ' ' && r != '\t' || r == 0x7f:
				d.add(i+1, column, "text", "the control character %+q", r)
			case isBidi(r):
				d.add(i+1, column, "text that reads as it is stored", "the invisible character %+q, which changes the order of what is shown", r)
			case r == '\ufeff':
				d.add(i+1, column, "text", "a byte order mark that is not at the beginning")
			default:
				continue
			}
			break // one problem a line is enough
		}
	}
}

// isBidi: the characters of "Trojan Source", CVE-2021-42574.
func isBidi(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// addYAML gives the library's errors a place and plainer words.
func (d *document) addYAML(err error) {
	var one *yaml.LoadError
	if !errors.As(err, &one) {
		d.add(1, 1, "YAML", "%s", err)
		return
	}
	mark := one.Mark
	if strings.Contains(one.Message, "end of stream") && one.ContextMark.Line > 0 {
		mark = one.ContextMark // where the text began that never ends
	}
	line, column := max(1, mark.Line), max(1, mark.Column)
	if line <= len(d.lines) {
		before := []rune(d.lines[line-1])
		before = before[:min(column, len(before))]
		if at := strings.IndexRune(string(before), '\t'); at >= 0 && strings.TrimSpace(string(before)) == "" {
			d.add(line, at+1, "spaces", "a tab in the indentation")
			return
		}
	}
	message := strings.TrimPrefix(one.Message, "yaml: ")
	for _, e := range yamlErrors {
		if strings.Contains(message, e.has) {
			d.add(line, column, e.want, "%s", e.message)
			return
		}
	}
	d.add(line, column, "YAML that can be read", "%s", message)
}

// yamlErrors say in plain words what the library says in those of its parser.
var yamlErrors = []struct{ has, message, want string }{
	{"mapping values are not allowed", "a second key on one line", `one key on each line, or quotes around a text that has ": " in it`},
	{"did not find expected ',' or ']'", "a list in brackets that goes on here", `a comma, or the bracket "]" that closes it, before this`},
	{"did not find expected ',' or '}'", "a map in braces that goes on here", `a comma, or the brace "}" that closes it, before this`},
	{"found unexpected end of stream", "a quote that is never closed", "a closing quote"},
	{"did not find expected '-' indicator", "something that is no element of the list above", `a "-" that stands below the others, or less indentation`},
	{"did not find expected key", "something that is no key of the map above", "a key that stands below the others"},
	{"could not find expected ':'", "a line without a colon", "key: value"},
	{"excessive aliasing", "too many aliases", "the text itself"},
}

func (d *document) takeFirst(trees []yaml.Node, example string) {
	if len(trees) == 0 || isNull(body(&trees[0])) {
		d.add(1, 1, example, "an empty file")
		return
	}
	for i := range trees[1:] {
		d.add(trees[i+1].Line, 1, "one document", "a second document; it would not be read")
	}
	root := body(&trees[0])
	d.checkPlain(root)
	if len(d.found) == 0 {
		d.root = root
	}
}

func body(tree *yaml.Node) *yaml.Node {
	if tree.Kind == yaml.DocumentNode && len(tree.Content) == 1 {
		return tree.Content[0]
	}
	return tree
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// checkPlain refuses aliases (a bomb of them costs nothing to write), tags and
// keys that are no plain words, everywhere, and keys that stand twice.
func (d *document) checkPlain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.at(n, "the text itself", "the alias *%s", n.Value)
		return
	case n.Anchor != "":
		d.at(n, "the text itself", "the anchor &%s", n.Anchor)
		return
	case n.Style&yaml.TaggedStyle != 0:
		d.at(n, "a plain value", "the tag %q", n.ShortTag())
		return
	}
	if n.Kind == yaml.MappingNode {
		d.checkKeys(n)
	}
	for _, child := range n.Content {
		d.checkPlain(child)
	}
}

func (d *document) checkKeys(n *yaml.Node) {
	var seen map[string]int // a rule has few keys: looking at those before is less than a table
	if len(n.Content) > 32 {
		seen = map[string]int{}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			d.at(key, "a word", "a key that is a list or a map")
			continue
		}
		if first := firstKey(n.Content[:i], key.Value, seen); first > 0 {
			d.at(key, "each key once", "the key %q stands in line %d already", key.Value, first)
		} else if seen != nil {
			seen[key.Value] = key.Line
		}
	}
}

// firstKey is the line in which a key stands in what came before, or 0; seen is
// a table of that, where there is one.
func firstKey(before []*yaml.Node, key string, seen map[string]int) int {
	if seen != nil {
		return seen[key]
	}
	for i := 0; i < len(before); i += 2 {
		if before[i].Kind == yaml.ScalarNode && before[i].Value == key {
			return before[i].Line
		}
	}
	return 0
}

// pairs walks a map's keys and values in the order of the text.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// at adds a problem at a node.
func (d *document) at(n *yaml.Node, want, format string, args ...any) {
	d.add(n.Line, n.Column, want, format, args...)
}

// newline is the line ending that the text uses.
func newline(data []byte) string {
	if bytes.Contains(data, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}
