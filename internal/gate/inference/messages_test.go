package inference

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// toAnthropic is a policy with one provider.
func toAnthropic(url string) string {
	return fmt.Sprintf("routes: [{model: \"*\", to: \"anthropic/claude-sonnet-4-5\"}]\nproviders: {anthropic: {url: %q, key: anthropic}}\n", url)
}

// eventsOf are Anthropic's events as its servers write them.
func eventsOf(payloads ...string) string {
	var out strings.Builder
	for _, p := range payloads {
		kind, _, _ := strings.Cut(strings.TrimPrefix(p, `{"type":"`), `"`)
		fmt.Fprintf(&out, "event: %s\ndata: %s\n\n", kind, p)
	}
	return out.String()
}

const (
	messageStart = `{"type":"message_start","message":{"model":"claude-sonnet-4-5","id":"msg_01","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"cache_creation_input_tokens":2,"cache_read_input_tokens":100,"output_tokens":1,"service_tier":"standard"}}   }`
	messageDelta = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":12}         }`
	messageStop  = `{"type":"message_stop"  }`
	aPing        = `{"type": "ping"}`
)

// anthropicEvent is one part of a text.
var anthropicEvent = eventsOf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}`)

// helloEvents say Hello, in two parts.
var helloEvents = eventsOf(messageStart,
	`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}        }`, aPing,
	`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}`,
	`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}      }`,
	`{"type":"content_block_stop","index":0  }`, messageDelta, messageStop)

const askMessages = `{"model":"any","max_tokens":100,"stream":true,"system":[{"type":"text","text":"be kind","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"}],"metadata":{"user_id":"u"}}`

func TestAnthropicPassesUnchanged(t *testing.T) {
	p := serve(t, says(sseMedia, helloEvents))
	b := newBench(t, toAnthropic(p.URL), nil)
	got := b.post("/v1/messages?beta=true&x=1", askMessages, "Anthropic-Version", "2023-06-01", "Anthropic-Beta", "effort-2025-11-24,x")
	if want := strings.ReplaceAll(helloEvents, `"model":"claude-sonnet-4-5"`, `"model":"any"`); got.status != 200 || got.body != want || got.header.Get("Content-Type") != sseMedia {
		t.Errorf("%d %v\n%s\nwant\n%s", got.status, got.header, got.body, want)
	}
	req, body := p.asked()
	if want := strings.Replace(askMessages, `"any"`, `"claude-sonnet-4-5"`, 1); body != want || req.URL.String() != "/v1/messages?beta=true" {
		t.Errorf("%s\n%s\nwant\n%s", req.URL, body, want)
	}
	if req.Header.Get("Anthropic-Beta") != "effort-2025-11-24,x" || req.Header.Get("Anthropic-Version") != "2023-06-01" {
		t.Errorf("%v", req.Header)
	}
	c := b.last()
	if c.API != "anthropic" || c.Asked != "any" || c.Given != "anthropic/claude-sonnet-4-5" || c.Answer != "Hello" || c.TokensIn != 109 || c.TokensOut != 12 ||
		!c.Stream || c.Error != "" || c.FirstToken <= 0 || !strings.Contains(c.Prompt, "be kind") || !strings.Contains(c.Extra, `"max_tokens":100`) {
		t.Errorf("%+v", c)
	}
	same := `{"model":"claude-sonnet-4-5" ,"max_tokens":1,"stream":true,"messages":[]}  `
	got = b.post("/v1/messages", same)
	if req, body := p.asked(); body != same || got.body != helloEvents || req.URL.RawQuery != "" || req.Header.Get("Anthropic-Version") != anthropicVersion {
		t.Errorf("sent on %q, got %q", body, got.body)
	}
}

const wholeMessage = `{"model":"claude-sonnet-4-5","id":"msg_01","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"so","signature":"EqQB"},{"type":"text","text":"I will"},{"type":"tool_use","id":"toolu_1","name":"exec","input":{"command":"id"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":8}}`

func TestAnthropicWholeAndCount(t *testing.T) {
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", "req_1")
		w.Header().Set("Anthropic-Organization-Id", "who-pays")
		if strings.HasSuffix(r.URL.Path, "count_tokens") {
			says(jsonType, `{"input_tokens":14}`)(w, r)
			return
		}
		says(jsonType, wholeMessage)(w, r)
	})
	b := newBench(t, toAnthropic(p.URL+"/v1"), nil)
	got := b.post("/v1/messages", `{"model":"any","max_tokens":5,"messages":[]}`)
	if got.body != strings.Replace(wholeMessage, "claude-sonnet-4-5", "any", 1) || got.header.Get("Request-Id") != "req_1" || got.header.Get("Anthropic-Organization-Id") != "" {
		t.Errorf("%+v", got)
	}
	if c := b.last(); c.Answer != "<think>so</think>\nI will\n[tool exec {\"command\":\"id\"}]" || strings.Join(c.Tools, "") != "exec" || c.TokensIn != 25 || c.TokensOut != 8 {
		t.Errorf("%+v", c)
	}
	got = b.post("/v1/messages/count_tokens?beta=true", `{"model":"any","messages":[]}`)
	if req, body := p.asked(); got.body != `{"input_tokens":14}` || req.URL.String() != "/v1/messages/count_tokens?beta=true" || body != `{"model":"claude-sonnet-4-5","messages":[]}` {
		t.Errorf("%+v %s %s", got, req.URL, body)
	}
	if c := b.last(); c.TokensIn+c.TokensOut != 0 || c.Path != "/v1/messages/count_tokens" || b.router.meter.used.Tokens != 33 {
		t.Errorf("%+v, %d spent", c, b.router.meter.used.Tokens)
	}
}

// Who does not count is asked for one token, and the figures are exact; they
// are counted.
func TestCounting(t *testing.T) {
	chat := serve(t, says(jsonType, `{"choices":[{"message":{"content":"H"},"finish_reason":"length"}],"usage":{"prompt_tokens":14,"completion_tokens":1}}`))
	claude := serve(t, says(jsonType, `{"input_tokens":14}`))
	const words = `[{"role":"user","content":"hi"}]`
	for _, c := range []struct{ yaml, path, body, want, asked string }{
		{toOllama(chat.URL), "/v1/messages/count_tokens", `{"model":"any","messages":` + words + `}`, `{"input_tokens":14}`, `{"model":"qwen3:8b","stream":false,"max_tokens":1,"messages":` + words + `}`},
		{toOpenAI(chat.URL), "/v1beta/models/any:countTokens", `{"contents":[{"parts":[{"text":"hi"}]}]}`, `{"totalTokens":14}`, `{"model":"meta/llama-3.1-8b","stream":false,"max_tokens":1,"messages":` + words + `}`},
		{toOllama(chat.URL), "/v1beta/models/any:countTokens", `{"generateContentRequest":{"model":"models/any","contents":[{"parts":[{"text":"hi"}]}]}}`, `{"totalTokens":14}`, `{"model":"qwen3:8b","stream":false,"max_tokens":1,"messages":` + words + `}`},
		{toAnthropic(claude.URL), "/v1beta/models/any:countTokens", `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"temperature":1,"topK":64}}`, `{"totalTokens":14}`, `{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`},
	} {
		p, used := chat, int64(15)
		if strings.Contains(c.yaml, claude.URL) {
			p, used = claude, 0
		}
		b := newBench(t, c.yaml, nil)
		got := b.post(c.path, c.body)
		_, asked := p.asked()
		sameJSON(t, asked, c.asked)
		b.last()
		if got.status != 200 || got.body != c.want || b.router.meter.used.Tokens != used {
			t.Errorf("%s: %+v, %d used", c.path, got, b.router.meter.used.Tokens)
		}
	}
	b := newBench(t, toOpenAI(serve(t, says(jsonType, `{"choices":[]}`)).URL), nil)
	if got := b.post("/v1/messages/count_tokens", `{"model":"any","messages":[]}`); got.status != 502 || !strings.Contains(got.text(), "says nothing of tokens") {
		t.Errorf("%+v", got)
	}
}

// An address is one with or without /v1, as in Anthropic's own clients.
func TestAnthropicsAddress(t *testing.T) {
	p := serve(t, says(jsonType, wholeMessage))
	for url, want := range map[string]string{"": "/v1/messages", "/": "/v1/messages", "/v1/": "/v1/messages", "/proxy": "/proxy/v1/messages", "/proxy/v1": "/proxy/v1/messages"} {
		b := newBench(t, toAnthropic(p.URL+url), nil)
		b.post("/v1/messages", `{"model":"any","max_tokens":5,"messages":[]}`)
		if req, _ := p.asked(); req.URL.Path != want {
			t.Errorf("%q: %s", url, req.URL)
		}
	}
}

// A key goes to its provider's host, in the header of its API, and nowhere else;
// the agent's goes nowhere.
func TestAnthropicKeysAreOursAlone(t *testing.T) {
	cloud := serve(t, says(jsonType, strings.Replace(wholeMessage, "I will", "nvapi-the-real-key-of-anthropic", 1)))
	other := serve(t, says(jsonType, answered))
	mine := []string{"Authorization", "Bearer agents-own", "X-Api-Key", "agents", "Cookie", "a=b", "Anthropic-Version", "2023-06-01", "X-App", "cli"}
	both := fmt.Sprintf("routes: [{model: local, to: other/x}, {model: \"*\", to: anthropic/claude}]\nproviders: {anthropic: {url: %q, key: anthropic}, other: {url: %q, api: openai}}\n", cloud.URL, other.URL)
	b := newBench(t, both, nil)
	for _, path := range []string{"/v1/messages", "/v1/chat/completions", "/api/chat"} {
		got := b.post(path, `{"model":"any","stream":false,"messages":[{"role":"user","content":"hi"}]}`, mine...)
		req, _ := cloud.asked()
		if req.Header.Get("X-Api-Key") != "nvapi-the-real-key-of-anthropic" || req.Header.Get("Authorization")+req.Header.Get("Cookie")+req.Header.Get("X-App") != "" {
			t.Errorf("%s: %v", path, req.Header)
		}
		if got.status != 200 || strings.Contains(got.body+b.last().Answer, "the-real-key") {
			t.Errorf("%s: the key came back: %s", path, got.body)
		}
		if got := b.post(path, `{"model":"local","stream":false,"messages":[{"role":"user","content":"hi"}]}`, mine...); got.status != 200 {
			t.Errorf("%+v", got)
		}
		if req, _ := other.asked(); req.Header.Get("X-Api-Key")+req.Header.Get("Authorization")+req.Header.Get("Anthropic-Version") != "" {
			t.Errorf("%s: %v reached another's host", path, req.Header)
		}
	}
}

func TestClaudeCodeIsGreeted(t *testing.T) {
	b := newBench(t, toOllama("http://127.0.0.1:1"), nil)
	if got := b.do("HEAD", "/api/hello", nil); got.status != 200 {
		t.Errorf("%+v", got)
	}
	if got := b.do("GET", "/api/hello", nil); got.status != 200 || got.body != `{"message":"hello"}` {
		t.Errorf("%+v", got)
	}
}

// Anthropic's clients hear of errors in their own form.
func TestAnthropicErrors(t *testing.T) {
	for code, kind := range map[int]string{400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large", 422: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error", 599: "api_error"} {
		p := serve(t, status(code, jsonType, `{"type":"error","error":{"type":"x","message":"prompt is too long"},"request_id":"req_1"}`, "Retry-After", "3"))
		b := newBench(t, toAnthropic(p.URL), nil)
		got := b.post("/v1/messages", askMessages)
		if got.status != code || !strings.HasPrefix(got.body, `{"type":"error","error":{"type":"`+kind+`","message":"provider anthropic answered `) || !strings.Contains(got.body, "prompt is too long") {
			t.Errorf("%d: %+v", code, got)
		}
	}
	b := newBench(t, toAnthropic("http://127.0.0.1:1"), nil)
	for path, want := range map[string]int{"/v1/messages/batches": 404, "/v1/messages/../x": 403} {
		if got := b.post(path, `{}`); got.status != want || !strings.HasPrefix(got.body, `{"type":"error","error":{"type":"`) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	lost := serve(t, status(404, jsonType, `{"type":"error","error":{"type":"not_found_error","message":"model: claude-0"}}`))
	b.use(toAnthropic(lost.URL))
	if got := b.post("/api/chat", hello); got.status != 404 || !strings.HasSuffix(got.text(), "set-model PROVIDER/MODEL") {
		t.Errorf("%+v", got)
	}
}

func TestModelsOfAnthropic(t *testing.T) {
	list := `{"data":[{"type":"model","id":"claude-sonnet-4-5","display_name":"Claude Sonnet 4.5","created_at":"2025-09-29T00:00:00Z"},{"type":"model","id":"hidden","display_name":"x","created_at":"?"}],"has_more":false,"first_id":"claude-sonnet-4-5","last_id":"hidden"}`
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.String() {
		case "/v1/models?limit=1000":
			says(jsonType, list)(w, r)
		case "/v1/models/claude-sonnet-4-5":
			says(jsonType, `{"type":"model","id":"claude-sonnet-4-5","display_name":"Claude Sonnet 4.5","created_at":"2025-09-29T00:00:00Z"}`)(w, r)
		case "/v1/models":
			says(jsonType, `{"object":"list","data":[{"id":"a/b","object":"model","created":1700000000,"owned_by":"x"}]}`)(w, r)
		default:
			status(404, jsonType, `{}`)(w, r)
		}
	})
	anthropics := []string{"Anthropic-Version", "2023-06-01"}
	b := newBench(t, fmt.Sprintf("routes: [{model: \"claude-*\", to: anthropic/claude-sonnet-4-5}]\nproviders: {anthropic: {url: %q, key: anthropic}}\n", p.URL), nil)
	if got := b.do("GET", "/v1/models", nil, anthropics...); !strings.Contains(got.body, `"display_name":"Claude Sonnet 4.5"`) || strings.Contains(got.body, `"id":"hidden"`) {
		t.Errorf("%+v", got)
	}
	sameJSON(t, b.do("GET", "/v1/models", nil).body, `{"object":"list","data":[{"id":"claude-sonnet-4-5","object":"model","created":1759104000,"owned_by":"anthropic"}]}`)
	sameJSON(t, b.do("GET", "/v1/models/claude-x", nil).body, `{"id":"claude-x","object":"model","created":1759104000,"owned_by":"anthropic"}`)
	sameJSON(t, b.do("GET", "/v1/models/claude-x", nil, anthropics...).body, `{"type":"model","id":"claude-x","display_name":"Claude Sonnet 4.5","created_at":"2025-09-29T00:00:00Z"}`)
	sameJSON(t, b.do("GET", "/api/tags", nil).body, `{"models":[{"name":"claude-sonnet-4-5","model":"claude-sonnet-4-5","modified_at":"2025-09-29T00:00:00Z","size":0,"digest":"","details":{"format":"remote","family":"anthropic"}}]}`)
	sameJSON(t, b.do("GET", "/api/version", nil).body, `{"version":"0.17.4"}`)
	if got := b.post("/api/show", `{"model":"claude-x"}`); !strings.Contains(got.body, `"capabilities":["completion","tools"]`) {
		t.Errorf("%+v", got)
	}
	for path, body := range map[string]string{"/api/embed": `{"model":"claude-x","input":"x"}`, "/v1/embeddings": `{"model":"claude-x","input":"x"}`, "/v1/completions": `{"model":"claude-x","prompt":"x"}`} {
		if got := b.post(path, body); got.status != 404 || !strings.Contains(got.text(), "provider anthropic speaks Anthropic's API, which has nothing like "+path) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if h := b.router.Probe(t.Context()); !h.Connected || h.Model != "anthropic/claude-sonnet-4-5" {
		t.Errorf("%+v", h)
	}
	if req, _ := p.asked(); req.URL.Path != "/v1/models" || req.Header.Get("X-Api-Key") == "" || req.Header.Get("Anthropic-Version") == "" {
		t.Errorf("probed at %s with %v", req.URL, req.Header)
	}
	b.use(toOpenAI(p.URL))
	sameJSON(t, b.do("GET", "/v1/models", nil, anthropics...).body, `{"data":[{"type":"model","id":"a/b","display_name":"a/b","created_at":"2023-11-14T22:13:20Z"}],"has_more":false,"first_id":"a/b","last_id":"a/b"}`)
}
