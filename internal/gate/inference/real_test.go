package inference

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/test/model"
)

const execTool = `[{"type":"function","function":{"name":"exec","description":"run","parameters":{"type":"object","properties":{"command":{"type":"string"}}}}}]`

const anthropicExecTool = `[{"name":"exec","description":"run","input_schema":{"type":"object","properties":{"command":{"type":"string"}}}}]`

// The real Ollama behind the router: directly, as a provider that speaks
// OpenAI's API, and as one that speaks Anthropic's, which a second router makes
// of it; for agents of all three APIs.
func TestRealOllama(t *testing.T) {
	url := model.Ollama(t)
	for _, speaks := range []api{ollama, openai, anthropic} {
		for _, name := range []string{"tiny", "rogue"} {
			base := url
			switch speaks {
			case openai:
				base += "/v1"
			case anthropic:
				cloud := newBench(t, fmt.Sprintf("routes: [{model: \"*\", to: \"real/%s\"}]\nproviders: {real: {url: %q, api: ollama}}\n", name, url), nil)
				base = cloud.url
			}
			yaml := fmt.Sprintf("routes: [{model: \"*\", to: \"real/%s\"}]\nproviders: {real: {url: %q, api: %s}}\n", name, base, speaks)
			t.Run(string(speaks)+"/"+name, func(t *testing.T) {
				b := newBench(t, yaml, nil)
				for _, path := range []string{"/api/chat", "/v1/chat/completions", "/v1/messages"} {
					for _, stream := range []bool{false, true} {
						b.realChat(name, path, stream)
					}
				}
				if name == "tiny" {
					b.realRest(speaks)
				}
			})
		}
	}
}

func (b *bench) realChat(name, path string, stream bool) {
	b.Helper()
	body := fmt.Sprintf(`{"model":"asked","stream":%v,"tools":%s,"messages":[{"role":"user","content":"hi"}]}`, stream, execTool)
	if stream && strings.HasPrefix(path, "/v1") {
		body = strings.Replace(body, "{", `{"stream_options":{"include_usage":true},`, 1)
	}
	if path == "/v1/messages" {
		body = fmt.Sprintf(`{"model":"asked","max_tokens":100,"stream":%v,"tools":%s,"messages":[{"role":"user","content":"hi"}]}`, stream, anthropicExecTool)
	}
	got := b.post(path, body)
	c := b.last()
	want := model.Sentence
	if name == "rogue" {
		want = fmt.Sprintf(`[tool exec {"command":%q}]`, model.Command)
		if strings.Join(c.Tools, "") != "exec" {
			b.Errorf("tools %q", c.Tools)
		}
	}
	if got.status != 200 || c.Answer != want || c.TokensIn == 0 || c.TokensOut == 0 || c.Given != "real/"+name || c.Error != "" || c.Stream != stream {
		b.Errorf("%s stream %v: %d %+v\n%.600s", path, stream, got.status, c, got.body)
	}
	if strings.Contains(got.body, `"model":"`+name) || !strings.Contains(got.body, `"model":"asked"`) {
		b.Errorf("%s: the answer names another model: %.300s", path, got.body)
	}
	if lines := strings.Count(got.body, "\n"); stream && lines < 3 && name == "tiny" {
		b.Errorf("%s: no stream: %q", path, got.body)
	}
}

func (b *bench) realRest(speaks api) {
	b.Helper()
	if got := b.post("/api/generate", `{"model":"asked","prompt":"hi","stream":false}`); got.status != 200 || b.last().Answer == "" {
		b.Errorf("%+v", got)
	}
	if got := b.do("GET", "/api/tags", nil); !strings.Contains(got.body, `"name":"tiny:latest"`) {
		b.Errorf("%+v", got)
	}
	if got := b.do("GET", "/v1/models", nil); !strings.Contains(got.body, `"tiny:latest"`) {
		b.Errorf("%+v", got)
	}
	if got := b.do("GET", "/v1/models/asked", nil); !strings.Contains(got.body, `"id":"asked"`) {
		b.Errorf("%+v", got)
	}
	if got := b.post("/api/show", `{"model":"asked"}`); !strings.Contains(got.body, `"completion"`) {
		b.Errorf("%+v", got)
	}
	if got := b.do("GET", "/api/version", nil); !strings.Contains(got.body, `0.17.4`) {
		b.Errorf("%+v", got)
	}
	if h := b.router.Probe(b.Context()); !h.Connected {
		b.Errorf("%+v", h)
	}
	if speaks != ollama {
		return
	}
	b.use(strings.Replace(fmt.Sprintf("routes: [{model: \"*\", to: \"real/gone\"}]\nproviders: {real: {url: %q, api: ollama}}\n", b.policy.Load().Default().URL), "\n\n", "\n", 1))
	if got := b.post("/api/chat", hello); got.status != 404 || !strings.HasSuffix(got.text(), "ollama pull gone") {
		b.Errorf("%+v", got)
	}
	if h := b.router.Probe(b.Context()); h.Connected || h.Hint != "ollama pull gone" {
		b.Errorf("%+v", h)
	}
}
