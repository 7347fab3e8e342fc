package inference

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// members reads valid JSON in UTF-8 once, and gives the fields of the outermost object. It
// is an error where any object in it, at whatever depth, has a key twice: readers
// differ in which of them they take. In the outermost object, keys are one that
// some reader might take for one another; deeper where folds says so, but for
// what somebody made for a tool.
func members(raw []byte, folds bool) ([]field, error) {
	w := walk{raw: raw, folds: folds}
	for w.at < len(raw) {
		if err := w.step(); err != nil {
			return nil, err
		}
	}
	return w.fields, nil
}

// walk is how far members has come. It calls nothing for each depth: that is the
// sender's to choose.
type walk struct {
	raw   []byte
	folds bool
	at    int

	open   []opened
	keys   []spelled // of all objects that are open
	fields []field   // of the outermost one
	begun  bool      // the last of fields has no end yet
}

// opened is an object or a list that has not ended.
type opened struct {
	list  bool
	wants bool            // a key comes next
	own   bool            // somebody made it for a tool
	below bool            // the same of what stands below the last key
	first int             // of its keys
	many  map[string]bool // the forms of its keys, where there are more than few
}

// spelled is a key as it was sent, and as it is compared.
type spelled struct{ name, form []byte }

// few keys are compared one by one.
const few = 16

// step takes one text, or one byte between texts.
func (w *walk) step() error {
	c := w.raw[w.at]
	if c == '"' {
		return w.text()
	}
	w.mark(c)
	switch c {
	case '{', '[':
		own := len(w.open) > 0 && (w.top().own || w.top().below)
		w.open = append(w.open, opened{list: c == '[', wants: c == '{', own: own, first: len(w.keys)})
	case '}', ']':
		w.keys = w.keys[:w.top().first]
		w.open = w.open[:len(w.open)-1]
	case ',':
		w.top().wants = !w.top().list
	}
	w.at++
	return nil
}

func (w *walk) top() *opened { return &w.open[len(w.open)-1] }

// mark notes how far the last field of the outermost object goes, byte by byte.
func (w *walk) mark(c byte) {
	if !w.begun {
		return
	}
	f := &w.fields[len(w.fields)-1]
	outer := len(w.open) == 1
	switch {
	case c == ' ', c == '\t', c == '\r', c == '\n', outer && c == ':':
	case outer && (c == ',' || c == '}'):
		w.begun = false
	default:
		if f.end == 0 {
			f.start = w.at
		}
		f.end = w.at + 1
	}
}

// text takes a text; one that is a key is compared.
func (w *walk) text() error {
	from := w.at
	for w.at++; w.raw[w.at] != '"'; w.at++ {
		if w.raw[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
	if len(w.open) > 0 && w.top().wants {
		return w.key(w.raw[from:w.at])
	}
	if w.begun {
		f := &w.fields[len(w.fields)-1]
		if f.end == 0 {
			f.start = from
		}
		f.end = w.at
	}
	return nil
}

// key takes a key in its quotes.
func (w *walk) key(quoted []byte) error {
	top := w.top()
	name := unquoted(quoted)
	top.wants = false
	top.below = string(name) == "arguments" || string(name) == "input"
	k := spelled{name, name}
	if len(w.open) == 1 || w.folds && !top.own {
		k.form = folded(name)
	}
	if len(w.open) == 1 {
		w.fields, w.begun = append(w.fields, field{key: string(name)}), true
	}
	if other, ok := w.twin(k); ok {
		return fmt.Errorf("keys %.50q and %.50q are the same to some readers", other, name)
	}
	w.keys = append(w.keys, k)
	return nil
}

// twin is the key of the same object that is the same as k.
func (w *walk) twin(k spelled) (name []byte, ok bool) {
	top := w.top()
	all := w.keys[top.first:]
	if len(all) > few {
		if top.many == nil {
			top.many = map[string]bool{}
			for _, other := range all {
				top.many[string(other.form)] = true
			}
		}
		if !top.many[string(k.form)] {
			top.many[string(k.form)] = true
			return nil, false
		}
	}
	for _, other := range all {
		if bytes.Equal(other.form, k.form) {
			return other.name, true
		}
	}
	return nil, false
}

// unquoted is what a text says.
func unquoted(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid
	return []byte(s)
}

// folded is fold of most keys without making one.
func folded(name []byte) []byte {
	for _, c := range name {
		if c >= 0x80 || c >= 'A' && c <= 'Z' {
			return []byte(fold(string(name)))
		}
	}
	return name
}
