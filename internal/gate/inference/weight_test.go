package inference

import (
	"runtime"
	"strings"
	"testing"
)

// manyValues are bodies of a few mebibytes of which far more was made than their bytes.
var manyValues = map[string][2]string{
	"messages of Ollama's": {"/api/chat", `{"model":"any","stream":false,"messages":[` + repeated("{}") + `]}`},
	"messages, as numbers": {"/api/chat", `{"model":"any","stream":false,"messages":[` + repeated("0") + `]}`},
	"blocks":               {"/v1/messages", `{"model":"any","max_tokens":5,"messages":[{"role":"user","content":[` + repeated(`{"type":"text","text":""}`) + `]}]}`},
	"stop sequences":       {"/v1/messages", `{"model":"any","max_tokens":5,"stop_sequences":[` + repeated(`""`) + `],"messages":[]}`},
	"items":                {"/v1/responses", `{"model":"any","input":[` + repeated(" \n{}") + `]}`},
	"contents":             {"/v1beta/models/any:generateContent", `{"contents":[` + repeated("null") + `]}`},
	"images":               {"/api/generate", `{"model":"any","prompt":"","images":[` + repeated(`"\""`) + `]}`},
}

func repeated(value string) string { return strings.TrimSuffix(strings.Repeat(value+",", 1<<20), ",") }

// Two bytes of JSON can become some hundred of memory, which is the host's.
func TestManyValuesAreRefused(t *testing.T) {
	p := serve(t, says(jsonType, `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`))
	for name, c := range manyValues {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, toOpenAI(p.URL), nil)
			before := allocated()
			got := b.post(c[0], c[1])
			if took := int(allocated() - before); got.status != 413 || took > 8*len(c[1])+1<<20 {
				t.Errorf("%d, and %d bytes of memory for %d of JSON", got.status, took, len(c[1]))
			}
			if got := b.router.values.taken.Load(); got != 0 {
				t.Errorf("%d bytes are held for good", got)
			}
		})
	}
	if req, _ := p.asked(); req != nil {
		t.Error("the provider was asked")
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// What is long without being many things goes through: a text, tokens.
func TestLargeIsNotMany(t *testing.T) {
	p := serve(t, says(jsonType, `{"data":[{"index":0,"embedding":[1]}],"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`))
	b := newBench(t, toOpenAI(p.URL), nil)
	for path, body := range map[string]string{
		"/v1/embeddings":       `{"model":"any","input":[[` + repeated("4711") + `]]}`,
		"/v1/chat/completions": `{"model":"any","messages":[{"role":"user","content":"` + strings.Repeat(`[{,\"}]`, 1<<20) + `"}]}`,
	} {
		if got := b.post(path, body); got.status != 200 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

// Many calls at once have one bound together, and give their part of it back.
func TestValuesOfAllCalls(t *testing.T) {
	p := serve(t, says(jsonType, `{"done":true}`))
	b := newBench(t, toOllama(p.URL), nil)
	b.router.values.take(allValues-3*valueCost, allValues)
	if got := b.post("/api/chat", hello); got.status != 503 || got.header.Get("Retry-After") != "1" {
		t.Errorf("%+v", got)
	}
	b.router.values.give(100 * valueCost)
	if got := b.post("/api/chat", hello); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

func TestWeight(t *testing.T) {
	for raw, want := range map[string]int64{
		``: 1, `{}`: 2, `{"a":1,"b":2}`: 3, `{"a,[{":"b\",\\"}`: 2, `[[],[]]`: 5, `{"a":[ {} ]}`: 4,
	} {
		if got := weight([]byte(raw), numberCost); got != want*valueCost {
			t.Errorf("%s: %d, want %d", raw, got, want*valueCost)
		}
	}
	if got := weight([]byte("[ 1,\n-2,3]"), numberCost); got != valueCost+3*numberCost {
		t.Error(got)
	}
	for _, odd := range []string{`"`, `"\`, `[`, `,`, `{"`} {
		if weight([]byte(odd), numberCost) > 3*valueCost {
			t.Error(odd)
		}
	}
}
