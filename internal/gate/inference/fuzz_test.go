package inference

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// The laws of the body's reading: Ollama's reader, which is encoding/json, sees
// the model that the router saw; changing it changes that alone; and the other
// fields, put together, are the whole.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		hello, `{"model":"a","MODEL":"b"}`, `{"model":"a","model":"b"}`, `{"mod\u0065l":"a"}`, `{ "x":[{"model":"y"}],"model" : "a" }`,
		"{\"\u212a\":1,\"k\":2}", `{"model":1}`, `{"model":"\ud800"}`, `{}`, `[]`, "{\"model\":\"\xff\"}",
	} {
		f.Add([]byte(s), "other")
	}
	f.Fuzz(func(t *testing.T, raw []byte, other string) {
		o, err := parseObject(raw)
		if err != nil {
			return
		}
		name, err := o.text("model")
		if err != nil {
			return
		}
		var reader struct{ Model string }
		if err := json.Unmarshal(raw, &reader); err != nil || reader.Model != name {
			t.Fatalf("we read %q, encoding/json %q (%v)", name, reader.Model, err)
		}
		changed := o.with("model", quote(other))
		again, err := parseObject(changed)
		if err != nil || len(again.fields) != len(o.fields) {
			t.Fatalf("%q became %q: %v", raw, changed, err)
		}
		for i, was := range o.fields {
			now := again.fields[i]
			if was.key != now.key || was.key != "model" && !bytes.Equal(raw[was.start:was.end], changed[now.start:now.end]) {
				t.Fatalf("field %q of %q became %q in %q", was.key, raw, now.key, changed)
			}
		}
		if got, _ := again.text("model"); name != "" && got != string([]rune(other)) {
			t.Fatalf("%q: the model is %q, not %q", changed, got, other)
		}
		if rest := o.without(); len(o.fields) > 0 && !json.Valid([]byte(rest)) {
			t.Fatalf("%q put together is %q", raw, rest)
		}
	})
}

// The law of a path: it has one reading, or no endpoint.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/api/chat", "/v1/models/a%2Fb", "/v1/../admin", "//api", "/api/%63hat", "/v1/models/%2e%2e", "/v1/models/a%2f%2e%2e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !plain(path) {
			return
		}
		full := unescapeName(path)
		if strings.Contains(full, "%") || strings.Contains(full, "//") || strings.Contains(full+"/", "/../") || strings.Contains(full+"/", "/./") {
			t.Fatalf("%q was taken", path)
		}
	})
}

// The law of an answer's line: whatever a provider sends, the agent gets lines
// of its API, or an error.
func FuzzTurned(f *testing.F) {
	f.Add([]byte(`{"choices":[{"delta":{"content":"x","tool_calls":[{"index":3,"function":{"arguments":"{"}}]},"finish_reason":"stop"}]}`))
	f.Add([]byte(toolEvents))
	r := New(Config{})
	f.Fuzz(func(t *testing.T, stream []byte) {
		x := &exchange{router: r}
		form := &turned{exchange: x}
		var out []byte
		for line := range bytes.Lines(stream) {
			part, err := form.line(line, payloadOf(line))
			if err != nil {
				return
			}
			out = append(out, part...)
		}
		last, err := form.end()
		if err != nil {
			return
		}
		for line := range bytes.Lines(append(out, last...)) {
			if !json.Valid(line) {
				t.Fatalf("%q gave %q", stream, line)
			}
		}
	})
}
