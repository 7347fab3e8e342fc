package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// object is a JSON object as it was sent, and where its fields lie: one field
// can be changed while every other byte stays.
type object struct {
	raw    []byte
	fields []field
}

type field struct {
	key        string
	start, end int // of the value, in raw
}

// parseObject reads the top level of a JSON object. Keys that some reader might
// take for one another are refused: Ollama's reader does not mind case and
// takes the last, others take the first. Deeper, a key that stands there twice is.
func parseObject(raw []byte) (*object, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(raw) {
		err := json.Unmarshal(raw, new(json.RawMessage)) // it says where
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if bytes.TrimLeft(raw, " \t\r\n")[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	fields, err := members(raw, false)
	if err != nil {
		return nil, err
	}
	return &object{raw: raw, fields: fields}, nil
}

// fold is equal for keys that encoding/json, which Ollama reads with, matches.
// Letters of ASCII become small ones.
func fold(key string) string {
	folded := make([]rune, 0, len(key))
	for _, c := range key {
		low := c
		for next := unicode.SimpleFold(c); next != c; next = unicode.SimpleFold(next) {
			low = min(low, next)
		}
		if low >= 'A' && low <= 'Z' {
			low += 'a' - 'A'
		}
		folded = append(folded, low)
	}
	return string(folded)
}

// value is the field's JSON, nil where there is none. A key that only folds to
// the wanted one is an error: readers would disagree.
func (o *object) value(key string) (json.RawMessage, error) {
	for _, f := range o.fields {
		if f.key == key {
			return o.raw[f.start:f.end], nil
		}
		if fold(f.key) == fold(key) {
			return nil, fmt.Errorf("key %q: write %q", f.key, key)
		}
	}
	return nil, nil
}

// text is a field that must be a string, "" where there is none.
func (o *object) text(key string) (string, error) {
	raw, err := o.value(key)
	if err != nil || raw == nil {
		return "", err
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%q is not a string", key)
	}
	return s, nil
}

// others are the words of servers that are routers themselves (OpenRouter, LiteLLM)
// for models in the place of the one that was asked for, and was judged.
var others = []string{"models", "fallbacks", "fallback_models", "context_window_fallbacks"}

// oneModel is an error where the object names more models than the one.
func (o *object) oneModel() error {
	for _, f := range o.fields {
		if contains(others, fold(f.key)) {
			return fmt.Errorf("%.50q names other models: routes and fallbacks are in inference.yaml", f.key)
		}
	}
	return nil
}

// with is the object with one field's value changed, all else as it was. An
// object without the field is given back as it is.
func (o *object) with(key string, value json.RawMessage) []byte {
	for _, f := range o.fields {
		if f.key == key {
			out := make([]byte, 0, len(o.raw)+len(value))
			out = append(out, o.raw[:f.start]...)
			out = append(out, value...)
			return append(out, o.raw[f.end:]...)
		}
	}
	return o.raw
}

// adding is the object with one more field at its end.
func (o *object) adding(key string, value json.RawMessage) []byte {
	end := bytes.LastIndexByte(o.raw, '}')
	out := append([]byte(nil), o.raw[:end]...)
	if len(o.fields) > 0 {
		out = append(out, ',')
	}
	out = append(append(append(out, quote(key)...), ':'), value...)
	return append(out, o.raw[end:]...)
}

// without is the object as JSON without the named fields, "" when nothing is
// left.
func (o *object) without(keys ...string) string {
	rest := []byte("{")
	for _, f := range o.fields {
		if contains(keys, f.key) {
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(rest, quote(f.key)...)
		rest = append(rest, ':')
		rest = append(rest, o.raw[f.start:f.end]...)
	}
	if len(rest) == 1 {
		return ""
	}
	return string(append(rest, '}'))
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// quote is s as JSON, without the escapes that only HTML needs.
func quote(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always can be
	return bytes.TrimRight(b.Bytes(), "\n")
}

// renamed is a JSON object with the text at key, where it has one, changed to
// name. What is no such object stays as it is.
func renamed(raw []byte, key, name string) []byte {
	if !bytes.Contains(raw, quote(key)) {
		return raw
	}
	o, err := parseObject(raw)
	if err != nil {
		return raw
	}
	if was, err := o.text(key); err != nil || was == "" {
		return raw
	}
	return o.with(key, quote(name))
}
