package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// readers says, for each key that a map may have, what reads its value.
type readers map[string]func(value *yaml.Node)

// fields reads a map strictly: each key by its reader, an unknown key is a
// problem with the known key that it resembles.
// ok is false where it is no map or has an unknown key: what is missing may
// then be there under a wrong name.
func (d *document) fields(n *yaml.Node, known readers) (ok bool) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "a map with "+wordList(keys(known)))
		return false
	}
	ok = true
	defer func(outer *yaml.Node) { d.key = outer }(d.key)
	for key, value := range pairs(n) {
		d.key = key
		read, found := known[key.Value]
		if !found {
			d.unknownKey(key, keys(known))
			ok = false
			continue
		}
		read(value)
	}
	return ok
}

// section reads the value of a root key, where it is there.
func (d *document) section(name string, read func(*yaml.Node)) {
	key, n := find(d.root, name)
	if n == nil {
		return
	}
	d.key = key
	read(n)
	d.key = nil
}

// wrong: the value of the key that is being read is not what it should be.
func (d *document) wrong(n *yaml.Node, want string) {
	if d.key == nil {
		d.at(n, want, "%s", describe(n))
		return
	}
	d.at(n, want, "%s: %s", d.key.Value, describe(n))
}

// refuse: the key that is being read does not belong here.
func (d *document) refuse(want, format string, args ...any) {
	d.at(d.key, want, "%s: %s", d.key.Value, fmt.Sprintf(format, args...))
}

func (d *document) unknownKey(key *yaml.Node, known []string) {
	if near := nearest(key.Value, known); near != "" {
		d.at(key, fmt.Sprintf("did you mean %q?", near), "unknown key %q", key.Value)
		return
	}
	d.at(key, "one of "+wordList(known), "unknown key %q", key.Value)
}

// items reads a list, each element by read. An empty value is an empty list,
// as it is what remains when a person has deleted the last element.
func (d *document) items(n *yaml.Node, what string, read func(*yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, "a list of "+what)
		return
	}
	for _, item := range n.Content {
		read(item)
	}
}

// text reads a text on one line that can be shown as it is.
func (d *document) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) || n.Value == "" {
		d.wrong(n, what)
		return "", false
	}
	if strings.ContainsFunc(n.Value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		d.at(n, what+" on one line, of characters that can be shown", "%q", n.Value)
		return "", false
	}
	return n.Value, true
}

// word reads one of a closed set.
func (d *document) word(n *yaml.Node, allowed ...string) string {
	for _, w := range allowed {
		if n.Kind == yaml.ScalarNode && n.Value == w {
			return w
		}
	}
	d.wrong(n, strings.Join(allowed, " or "))
	return ""
}

func (d *document) port(n *yaml.Node) (Port, bool) {
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, "a port, 1 to 65535")
		return 0, false
	}
	port, err := ParsePort(n.Value)
	if err != nil {
		d.wrong(n, "a port, 1 to 65535")
		return 0, false
	}
	return port, true
}

// count reads a whole number of at least 1.
func (d *document) count(n *yaml.Node) int64 {
	if n.Kind == yaml.ScalarNode {
		v, err := strconv.ParseInt(n.Value, 10, 64)
		if err == nil && v > 0 && strconv.FormatInt(v, 10) == n.Value {
			return v
		}
	}
	d.wrong(n, "a whole number of at least 1 (without the key: no limit)")
	return 0
}

func (d *document) duration(n *yaml.Node, low, high time.Duration) time.Duration {
	want := fmt.Sprintf("a time from %s to %s, such as 8s or 500ms", low, high)
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, want)
		return 0
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < low || v > high {
		d.wrong(n, want)
		return 0
	}
	return v
}

func (d *document) moment(n *yaml.Node) time.Time {
	if n.Kind == yaml.ScalarNode {
		if v, err := time.Parse(time.RFC3339, n.Value); err == nil {
			return v
		}
	}
	d.wrong(n, "a moment such as 2026-12-31T00:00:00Z")
	return time.Time{}
}

func (d *document) prefix(n *yaml.Node) (netip.Prefix, bool) {
	text, ok := d.text(n, "an address or a CIDR")
	if !ok {
		return netip.Prefix{}, false
	}
	p, err := parsePrefix(text)
	if err != nil {
		d.bad(n, err)
	}
	return p, err == nil
}

// bad adds an error of a parser, with its hint as what was expected.
func (d *document) bad(n *yaml.Node, err error) {
	want := ""
	if hinted, ok := err.(interface{ Hint() string }); ok {
		want = hinted.Hint()
	}
	d.at(n, want, "%s", err)
}

// describe says what stands at a node, in a few words.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		return "an empty list"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a map"
	case isNull(n) && n.Value == "", n.Value == "":
		return "nothing"
	}
	shown := []rune(n.Value)
	if len(shown) > 60 {
		shown = append(shown[:60], '…')
	}
	if n.ShortTag() == "!!int" {
		return string(shown)
	}
	return strconv.Quote(string(shown))
}
