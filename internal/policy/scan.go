package policy

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// The YAML library says where a value begins, not where it ends. These find the
// end in the text, for the layouts that people write; an edit built on a wrong
// guess does not pass the check that follows every edit.

// offset is the byte at a line and column, both from 1, columns in characters.
func offset(s string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(s[at:], '\n')
		if next < 0 {
			return len(s)
		}
		at += next + 1
	}
	for range s[at:] {
		if column == 1 {
			return at
		}
		column--
		_, size := firstRune(s[at:])
		at += size
	}
	return len(s)
}

func firstRune(s string) (rune, int) {
	for i, r := range s {
		if i > 0 {
			return r, i
		}
	}
	return 0, len(s)
}

// lineOf is the line, from 1, in which a byte stands.
func lineOf(s string, at int) int { return strings.Count(s[:min(at, len(s))], "\n") + 1 }

// end is the byte after a value. Of a plain text over several lines it is one
// in its first line; its other lines are indented deeper than what follows.
func end(s string, n *yaml.Node) int {
	at := offset(s, n.Line, n.Column)
	switch {
	case at >= len(s):
		return len(s)
	case n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle != 0:
		return flowEnd(s, at)
	case n.Kind != yaml.ScalarNode:
		last := at
		for _, child := range n.Content {
			last = max(last, end(s, child))
		}
		return last
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return quoteEnd(s, at)
	case strings.HasPrefix(s[at:], n.Value):
		return at + len(n.Value)
	}
	return at
}

// quoteEnd: s[at] is a quote.
func quoteEnd(s string, at int) int {
	quote := s[at]
	for i := at + 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] != quote:
		case quote == '\'' && i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// flowEnd: s[at] opens a list or a map in brackets.
func flowEnd(s string, at int) int {
	depth := 0
	for i := at; i < len(s); i++ {
		switch s[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			if beginsToken(s[i-1]) {
				i = quoteEnd(s, i) - 1
			}
		case '#':
			if beginsToken(s[i-1]) {
				i += len(comment(s[i:])) - 1
			}
		}
	}
	return len(s)
}

func beginsToken(before byte) bool { return strings.IndexByte(" \t\r\n[]{},:", before) >= 0 }

// comment is the rest of the line.
func comment(s string) string {
	text, _, _ := strings.Cut(s, "\n")
	return text
}

// space is the length of the white space and comments at the beginning of s.
func space(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\r', '\n':
		case '#':
			i += len(comment(s[i:])) - 1
		default:
			return i
		}
	}
	return len(s)
}
