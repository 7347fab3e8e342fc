package inference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// byTokens is what members says, told by encoding/json one token at a time.
func byTokens(raw []byte, folds bool) (fields []field, twice bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, _ := dec.Token(); t != json.Delim('{') {
		return nil, doubled(raw, folds, false)
	}
	for dec.More() {
		key, _ := dec.Token()
		var value json.RawMessage
		_ = dec.Decode(&value) // it is valid
		end := int(dec.InputOffset())
		fields = append(fields, field{key.(string), end - len(value), end})
	}
	return fields, doubled(raw, folds, false)
}

// doubled looks at each object by itself; folds is of the outermost as well.
func doubled(raw []byte, folds, own bool) bool { return doubledAt(raw, folds, own, 0) }

func doubledAt(raw []byte, folds, own bool, depth int) bool {
	raw = bytes.TrimSpace(raw)
	dec := json.NewDecoder(bytes.NewReader(raw))
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') && t != json.Delim('[') {
		return false
	}
	seen := map[string]bool{}
	for dec.More() {
		below := own
		if t == json.Delim('{') {
			key, _ := dec.Token()
			name := key.(string)
			below = own || name == "arguments" || name == "input"
			if depth == 0 || folds && !own {
				name = fold(name)
			}
			if seen[name] {
				return true
			}
			seen[name] = true
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return false
		}
		if doubledAt(value, folds, below, depth+1) {
			return true
		}
	}
	return false
}

// FuzzMembers: one pass finds the fields, and the keys that stand somewhere
// twice, that a reader of all tokens finds.
func FuzzMembers(f *testing.F) {
	many := "{"
	for i := range 3 * few {
		many += fmt.Sprintf(`"k%d":%d,`, i, i)
	}
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b":[ {"a":1,"a":2} ] } `, `{"a":{"b":1},"c":{"b":1}}`, `{"a":"x","b":"\"","c":"\\"}`, `{"a":1,"\u0061":2}`,
		`[{"a":1,"a":2}]`, `"x"`, `3`, `{"x":{"id":1,"ID":2}}`, `{"x":{"arguments":{"id":1,"ID":2}}}`, `{"x":{"input":{"y":{"a":1,"a":2}}}}`,
		many + `"k3":1}`, many + `"z":{"k3":1}}`, many + `"K3":1}`, `{"a":[1,2,{}],"b":null,"c":-1.5e3,"d":true}`, "{\"\u212a\":1,\"k\":2}",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, folds bool) {
		if !json.Valid(raw) || !utf8.Valid(raw) {
			return
		}
		fields, err := members(raw, folds)
		want, twice := byTokens(raw, folds)
		if (err != nil) != twice {
			t.Fatalf("%v, and it is %t that a key stands there twice", err, twice)
		}
		if err == nil && fmt.Sprint(fields) != fmt.Sprint(want) {
			t.Fatalf("fields %v, want %v", fields, want)
		}
	})
}

// A key that stands twice in one object, however deep, is refused by every API in
// its own form, and nobody is asked; the same key in two objects is none.
func TestKeyTwice(t *testing.T) {
	for _, c := range []struct{ path, body string }{
		{"/api/chat", `{"model":"any","messages":[{"role":"user","content":"a"%s}]}`},
		{chatPath, `{"model":"any","messages":[{"role":"user","content":"a"%s}]}`},
		{"/v1/responses", `{"model":"any","input":[{"role":"user","content":"a"%s}]}`},
		{"/v1/messages", `{"model":"any","max_tokens":9,"messages":[{"role":"user","content":"a"%s}]}`},
		{"/v1beta/models/any:generateContent", `{"contents":[{"role":"user","content":0,"parts":[{"text":"a"}]%s}]}`},
		{"/api/embed", `{"model":"any","input":"x","options":{"content":1%s}}`},
	} {
		p := serve(t, says(jsonType, answered))
		b := newBench(t, toOpenAI(p.URL), nil)
		r := b.post(c.path, fmt.Sprintf(c.body, `,"content":"b"`))
		if r.status != 400 || !strings.Contains(r.body, `are the same to some readers`) || !strings.HasPrefix(r.body, `{"`) {
			t.Errorf("%s: %d %s", c.path, r.status, r.body)
		}
		if req, _ := p.asked(); req != nil {
			t.Errorf("%s: the provider was asked", c.path)
		}
		if last := b.last(); !last.Refused || last.Error == "" {
			t.Errorf("%s: %+v", c.path, last)
		}
	}
}

// BenchmarkParseObject is what a large request of an agent's costs to read.
func BenchmarkParseObject(b *testing.B) {
	tool := `{"type":"function","function":{"name":"exec","description":"` + strings.Repeat("words ", 60) + `","parameters":{"type":"object","properties":{"command":{"type":"string","description":"x"}}}}}`
	raw := []byte(`{"model":"m","stream":true,"messages":[{"role":"system","content":"` + strings.Repeat("You are an agent. ", 2000) + `"}],"tools":[` + tool + strings.Repeat(","+tool, 11) + `]}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseObject(raw); err != nil {
			b.Fatal(err)
		}
	}
}
