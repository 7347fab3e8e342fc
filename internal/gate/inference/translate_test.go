package inference

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// translated sends one request of Ollama's API through to a provider that
// speaks OpenAI's, and gives what that was asked and what the agent got.
func translated(t *testing.T, path, request, answer string) (asked string, got reply, c Call) {
	t.Helper()
	media := jsonType
	if strings.HasPrefix(answer, "data:") {
		media = sseMedia
	}
	p := serve(t, says(media, answer))
	b := newBench(t, toOpenAI(p.URL+"/v1/"), nil)
	got = b.post(path, request)
	req, asked := p.asked()
	if req != nil && (req.URL.Path != "/v1/chat/completions" && req.URL.Path != "/v1/embeddings") {
		t.Errorf("asked at %s", req.URL.Path)
	}
	return asked, got, b.last()
}

// same compares JSON by its values; "*" in want stands for anything.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	if !alike(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func alike(g, w any) bool {
	switch w := w.(type) {
	case map[string]any:
		g, ok := g.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k := range w {
			if !alike(g[k], w[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := g.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !alike(g[i], w[i]) {
				return false
			}
		}
		return true
	}
	return w == "*" || fmt.Sprint(g) == fmt.Sprint(w)
}

const answered = `{"id":"x","model":"meta/llama-3.1-8b","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","reasoning_content":"hm"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4}}`

func TestTranslatesAWholeChat(t *testing.T) {
	asked, got, c := translated(t, "/api/chat", `{"model":"any","stream":false,"think":false,"truncate":false,"shift":false,"keep_alive":"5m",
		"format":"json","options":{"num_ctx":32768,"temperature":0.5,"num_predict":100,"stop":["x"]},
		"tools":[{"type":"function","function":{"name":"exec","parameters":{"type":"object"}}}],
		"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"},
			{"role":"assistant","content":"","tool_calls":[{"function":{"name":"exec","arguments":{"command":"id"}}},{"function":{"name":"read","arguments":{}}}]},
			{"role":"tool","content":"file","tool_name":"read"},{"role":"tool","content":"uid=0","tool_name":"exec"},
			{"role":"user","content":"look","images":["iVBORw0KGgo="]}]}`, answered)
	sameJSON(t, asked, `{"model":"meta/llama-3.1-8b","stream":false,"response_format":{"type":"json_object"},
		"temperature":0.5,"max_tokens":100,"stop":["x"],
		"tools":[{"type":"function","function":{"name":"exec","parameters":{"type":"object"}}}],
		"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"},
			{"role":"assistant","content":null,"tool_calls":[
				{"id":"call_1","type":"function","function":{"name":"exec","arguments":"{\"command\":\"id\"}"}},
				{"id":"call_2","type":"function","function":{"name":"read","arguments":"{}"}}]},
			{"role":"tool","content":"file","tool_call_id":"call_2"},{"role":"tool","content":"uid=0","tool_call_id":"call_1"},
			{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}`)
	sameJSON(t, got.body, `{"model":"any","created_at":"*","message":{"role":"assistant","content":"Hello","thinking":"hm"},"done":true,"done_reason":"stop",
		"total_duration":"*","prompt_eval_count":9,"prompt_eval_duration":"*","eval_count":4,"eval_duration":"*"}`)
	if c.API != "ollama" || c.TokensIn != 9 || c.TokensOut != 4 || c.Answer != "<think>hm</think>\nHello" {
		t.Errorf("%+v", c)
	}
}

const toolEvents = `data: {"choices":[{"index":0,"delta":{"role":"assistant","reasoning":"so"}}]}

data: {"choices":[{"index":0,"delta":{"content":"I will "}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a1","type":"function","function":{"name":"exec","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"command\":"}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"a2","function":{"name":"read","arguments":"{}"}},{"index":0,"function":{"arguments":"\"id\"}"}}]}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":8}}

data: [DONE]

`

func TestTranslatesAStreamWithTools(t *testing.T) {
	asked, got, c := translated(t, "/api/chat", `{"model":"any","messages":[{"role":"user","content":"hi"}],"tools":[]}`, toolEvents)
	sameJSON(t, asked, `{"model":"meta/llama-3.1-8b","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`)
	lines := strings.Split(strings.TrimSpace(got.body), "\n")
	if len(lines) != 4 || got.header.Get("Content-Type") != ndMedia {
		t.Fatalf("%v\n%s", got.header, got.body)
	}
	sameJSON(t, lines[0], `{"model":"any","created_at":"*","message":{"role":"assistant","content":"","thinking":"so"},"done":false}`)
	sameJSON(t, lines[1], `{"model":"any","created_at":"*","message":{"role":"assistant","content":"I will "},"done":false}`)
	sameJSON(t, lines[2], `{"model":"any","created_at":"*","message":{"role":"assistant","content":"","tool_calls":[
		{"id":"a1","function":{"index":0,"name":"exec","arguments":{"command":"id"}}},{"id":"a2","function":{"index":1,"name":"read","arguments":{}}}]},"done":false}`)
	sameJSON(t, lines[3], `{"model":"any","created_at":"*","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",
		"total_duration":"*","prompt_eval_count":20,"prompt_eval_duration":"*","eval_count":8,"eval_duration":"*"}`)
	if c.Answer != "<think>so</think>\nI will \n[tool exec {\"command\":\"id\"}]\n[tool read {}]" || strings.Join(c.Tools, " ") != "exec read" {
		t.Errorf("%q %v", c.Answer, c.Tools)
	}
}

func TestTranslatesGenerateAndEmbed(t *testing.T) {
	asked, got, _ := translated(t, "/api/generate", `{"model":"any","system":"s","prompt":"p","stream":false,"raw":false,"context":[]}`, answered)
	sameJSON(t, asked, `{"model":"meta/llama-3.1-8b","stream":false,"messages":[{"role":"system","content":"s"},{"role":"user","content":"p"}]}`)
	if !strings.Contains(got.body, `"response":"Hello","thinking":"hm","done":true`) {
		t.Error(got.body)
	}
	vectors := `{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":3}}`
	asked, got, c := translated(t, "/api/embed", `{"model":"any","input":["a","b"]}`, vectors)
	sameJSON(t, asked, `{"model":"meta/llama-3.1-8b","input":["a","b"],"encoding_format":"float"}`)
	sameJSON(t, got.body, `{"model":"any","embeddings":[[1],[2]],"prompt_eval_count":3}`)
	if c.TokensIn != 3 || c.Prompt != `["a","b"]` {
		t.Errorf("%+v", c)
	}
	_, got, _ = translated(t, "/api/embeddings", `{"model":"any","prompt":"a"}`, vectors)
	sameJSON(t, got.body, `{"embedding":[1]}`)
}

// What the provider could not heed is refused, not dropped.
func TestUntranslatable(t *testing.T) {
	for _, fields := range []string{
		`"suffix":"x"`, `"raw":true`, `"context":[1]`, `"template":"x"`, `"unheard_of":1`, `"options":{"mirostat":2}`, `"options":{"top_k":2}`,
		`"options":3`, `"format":"xml"`, `"think":"very"`, `"messages":[{"role":"oracle","content":"x"}]`,
		`"messages":[{"role":"tool","content":"x"}]`, `"messages":[{"role":"user","images":["!"]}]`, `"messages":[{"role":"user","images":["aGk="]}]`, `"messages":3`,
	} {
		asked, got, c := translated(t, "/api/chat", `{"model":"any",`+fields+`}`, answered)
		if got.status != 400 || asked != "" || !strings.Contains(got.text(), "cannot be put into it") || c.Error == "" {
			t.Errorf("%s: %d %s", fields, got.status, got.body)
		}
	}
}

func TestToolCallsThatMakeNoSense(t *testing.T) {
	for _, call := range []string{
		`{"index":0,"function":{"name":"exec","arguments":"{\"a\":"}}`, `{"index":0,"function":{"arguments":"{}"}}`, `{"index":0,"function":{"name":"x","arguments":"[]"}}`,
	} {
		_, got, c := translated(t, "/api/chat", hello, "data: {\"choices\":[{\"delta\":{\"tool_calls\":["+call+"]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n")
		if got.status != 502 || !strings.Contains(got.text(), "makes no sense") || c.Error == "" {
			t.Errorf("%s: %d %s", call, got.status, got.body)
		}
	}
	// Servers that leave the index out send calls whole, one after the other.
	_, got, _ := translated(t, "/api/chat", hello, `data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"a","arguments":"{}"}},{"function":{"name":"b","arguments":{"x":1}}}]},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	if !strings.Contains(got.body, `"name":"a","arguments":{}`) || !strings.Contains(got.body, `"name":"b","arguments":{"x":1}`) {
		t.Error(got.body)
	}
}

// What an agent asks before its first message, where there is no Ollama behind.
func TestOllamaQuestionsToAnotherProvider(t *testing.T) {
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/models" || r.Header.Get("Authorization") == "" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		says(jsonType, `{"object":"list","data":[{"id":"meta/llama-3.1-8b","created":1700000000}]}`)(w, r)
	})
	b := newBench(t, toOpenAI(p.URL+"/v1"), nil)
	sameJSON(t, b.do("GET", "/api/tags", nil).body, `{"models":[{"name":"meta/llama-3.1-8b","model":"meta/llama-3.1-8b","modified_at":"2023-11-14T22:13:20Z","size":0,"digest":"","details":{"format":"remote","family":"nvidia"}}]}`)
	sameJSON(t, b.do("GET", "/api/version", nil).body, `{"version":"0.17.4"}`)
	sameJSON(t, b.do("GET", "/api/ps", nil).body, `{"models":[]}`)
	if got := b.post("/api/show", `{"model":"any"}`); !strings.Contains(got.body, `"capabilities":["completion","tools"]`) {
		t.Error(got.body)
	}
	if c := b.last(); c.Path != "/api/show" || c.Given != "nvidia/meta/llama-3.1-8b" {
		t.Errorf("%+v", c)
	}
}
