package inference

import (
	"bytes"
	"testing"
	"time"
	"unicode/utf8"
)

// elements are two of one stream each; fits says whether they differ in their
// texts alone, and can be seen to.
var elements = []struct {
	first, second string
	fits          bool
}{
	{`{"id":"1","model":"m","choices":[{"delta":{"content":" a"}}]}`, `{"id":"1","model":"m","choices":[{"delta":{"content":" b"}}]}`, true},
	{`{"model":"m","created_at":"2026-11-27T00:00:00Z","message":{"content":"a"},"done":false}`, `{"model":"m","created_at":"2026-11-27T00:00:01.5Z","message":{"content":"word"},"done":false}`, true},
	{`{"choices":[{"delta":{"reasoning":"hm"}}],"obfuscation":"xyz"}`, `{"choices":[{"delta":{"reasoning":"hm, so"}}],"obfuscation":""}`, true},
	{`{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[{"delta":{"content":"a\"}}]}`, false},
	{`{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[{"delta":{"content":"a","tool_calls":[{"function":{"name":"exec"}}]}}]}`, false},
	{`{"x":" a","choices":[{"delta":{"content":"\u0020a"}}]}`, `{"x":" b","choices":[{"delta":{"content":"\u0020a"}}]}`, false},
	{`{"x":"a","choices":[{"delta":{"content":"a"}}]}`, `{"x":"b","choices":[{"delta":{"content":"a"}}]}`, false},
	{`{"created_at":"a","choices":[{"delta":{"content":"a"}}]}`, `{"created_at":"b","choices":[{"delta":{"content":"c"}}]}`, false},
	{`{"message":{"content":"a"}}`, `{"message":{"content":"b"},"done":true,"eval_count":3}`, false},
	{`{"choices":[{"delta":{"content":"a","content":"b"}}]}`, `{"choices":[{"delta":{"content":"a","content":"c"}}]}`, false},
	{`{"choices":[{"delta":{"content":"a","Content":"b"}}]}`, `{"choices":[{"delta":{"content":"a","Content":"c"}}]}`, false},
	{`{"choices":[{"delta":{"content":"done"}}],"error":null}`, "{\"choices\":[{\"delta\":{\"content\":\"do\nne\"}}],\"error\":null}", false},
	{`{"choices":[{"text":"a"},{"text":"b"}]}`, `{"choices":[{"text":"a"},{"text":"c"}]}`, false},
	{`{"created_at":"x","created_at":"y","choices":[{"text":"a"}]}`, `{"created_at":"z","created_at":"y","choices":[{"text":"a"}]}`, false},
	{`{"x":"ab","choices":[{"delta":{"content":"a","refusal":"b"}}]}`, `{"x":"cd","choices":[{"delta":{"content":"a","refusal":"b"}}]}`, false},
	{`{"x":"hm","choices":[{"delta":{"reasoning":"h","thinking":"m"}}]}`, `{"x":"so","choices":[{"delta":{"reasoning":"h","thinking":"m"}}]}`, false},
	{`{"choices":[{"text":"created_at"}],"created_at":"1"}`, `{"choices":[{"text":"x"}],"created_at":"2"}`, false},
}

// FuzzStencil: elements that are taken by a stencil say the very same as those
// that are read, to the agent and to the record.
func FuzzStencil(f *testing.F) {
	for _, e := range elements {
		f.Add(e.first, e.second, "model")
		f.Add(e.first, e.second, "")
	}
	f.Fuzz(func(t *testing.T, first, second, key string) {
		if !utf8.ValidString(first + second) {
			return
		}
		fast, plain := newSame(key), newSame(key)
		for _, payload := range []string{first, second, first, second} {
			line := []byte("data: " + payload + "\n")
			got, err := fast.line(bytes.Clone(line), payloadOf(line))
			plain.like = nil // reads every one
			want, wrong := plain.line(line, payloadOf(line))
			if (err == nil) != (wrong == nil) || string(got) != string(want) {
				t.Fatalf("%q, %v; read it is %q, %v", got, err, want, wrong)
			}
		}
		var a, b Call
		fast.tally.fill(&a)
		plain.tally.fill(&b)
		if a.Answer != b.Answer || a.Error != b.Error || fast.tally.mark() != plain.tally.mark() {
			t.Fatalf("%+v\n%+v", a, b)
		}
	})
}

func newSame(key string) *same {
	x := &exchange{router: &Router{now: time.Now}}
	x.call.Asked = "asked"
	return &same{exchange: x, key: key}
}

// Most elements of a stream need no reading.
func TestStencilFits(t *testing.T) {
	for _, e := range elements {
		s := newSame("model")
		for _, one := range []string{e.first, e.second} { // some are no JSON
			_, _ = s.line([]byte(one), []byte(one))
		}
		if _, fits := s.like.known([]byte(e.first)); fits != e.fits {
			t.Errorf("%s: %t", e.second, fits)
		}
	}
}
