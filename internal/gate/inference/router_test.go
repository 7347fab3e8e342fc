package inference

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const hello = `{"model":"any","messages":[{"role":"user","content":"hi"}]}`

const ndjson = `{"model":"qwen3:8b","created_at":"2026-11-23T18:00:00Z","message":{"role":"assistant","content":"Hel"},"done":false}
{"model":"qwen3:8b","created_at":"2026-11-23T18:00:00Z","message":{"role":"assistant","content":"lo"},"done":false}
{"model":"qwen3:8b","created_at":"2026-11-23T18:00:00Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"prompt_eval_count":11,"eval_count":2}
`

func TestOllamaPassesUnchanged(t *testing.T) {
	up := serve(t, says("application/x-ndjson", ndjson))
	b := newBench(t, toOllama(up.URL), func(c *Config) { c.Who = nil })
	sent := "{ \"messages\" : [{\"role\":\"user\",\"content\":\"h\\u00ef \\u2028\",\"model\":\"inner\"}],\n\t\"model\" :\"any\", \"options\":{\"num_ctx\":32768.0}, \"x\":1e3}"
	got := b.post("/api/chat", sent)
	if got.status != 200 || got.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%+v", got)
	}
	if want := strings.ReplaceAll(ndjson, "qwen3:8b", "any"); got.body != want {
		t.Errorf("answer:\n%s\nwant:\n%s", got.body, want)
	}
	req, body := up.asked()
	if want := strings.Replace(sent, `"any"`, `"qwen3:8b"`, 1); body != want || req.URL.Path != "/api/chat" {
		t.Errorf("%s\n%s\nwant\n%s", req.URL, body, want)
	}
	c := b.last()
	if c.Asked != "any" || c.Given != "ollama/qwen3:8b" || c.Answer != "Hello" || c.TokensIn != 11 || c.TokensOut != 2 ||
		!c.Stream || c.Status != 200 || c.Error != "" || c.FirstToken <= 0 || c.Duration < c.FirstToken || !strings.Contains(c.Prompt, "inner") {
		t.Errorf("%+v", c)
	}
}

func TestSameNameIsByteForByte(t *testing.T) {
	up := serve(t, says("application/json", `{"model":"qwen3:8b" , "message":{"content":"x"},"done":true}`))
	b := newBench(t, toOllama(up.URL), nil)
	sent := `{"model":"qwen3:8b","stream":false,"messages":[]}  `
	got := b.post("/api/chat", sent)
	if _, body := up.asked(); body != sent || got.body != `{"model":"qwen3:8b" , "message":{"content":"x"},"done":true}` {
		t.Errorf("sent on %q, got %q", body, got.body)
	}
}

const sse = "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n" +
	": a comment\n\n" +
	"data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n" +
	"data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n" +
	"data: [DONE]\n\n"

func TestOpenAIPassesUnchanged(t *testing.T) {
	up := serve(t, says("text/event-stream", sse))
	b := newBench(t, toOpenAI(up.URL+"/v1"), nil)
	got := b.post("/v1/chat/completions", `{"model":"any","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`)
	if want := strings.ReplaceAll(sse, `"m"`, `"any"`); got.status != 200 || got.body != want {
		t.Errorf("%d\n%s\nwant\n%s", got.status, got.body, want)
	}
	req, body := up.asked()
	if req.URL.Path != "/v1/chat/completions" || !strings.Contains(body, `"meta/llama-3.1-8b"`) {
		t.Errorf("%s %s", req.URL, body)
	}
	if c := b.last(); c.Answer != "Hello" || c.TokensIn != 7 || c.TokensOut != 3 || c.Given != "nvidia/meta/llama-3.1-8b" || c.API != "openai" {
		t.Errorf("%+v", c)
	}
}

// The book has the figures of a stream, also of one whose agent did not ask for
// them: that gets the stream that it asked for.
func TestFiguresThatTheAgentDidNotAskFor(t *testing.T) {
	figures := "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n"
	up := serve(t, says("text/event-stream", sse))
	for sent, want := range map[string]string{
		`{"model":"any","stream":true,"messages":[]} `:                                         `{"model":"meta/llama-3.1-8b","stream":true,"messages":[],"stream_options":{"include_usage":true}} `,
		`{"model":"any","stream":true,"stream_options":null,"messages":[]}`:                    `{"model":"meta/llama-3.1-8b","stream":true,"stream_options":{"include_usage":true},"messages":[]}`,
		`{"model":"any","stream":true,"stream_options":{"include_usage":false},"messages":[]}`: "",
	} {
		b := newBench(t, toOpenAI(up.URL+"/v1"), nil)
		got := b.post("/v1/chat/completions", sent)
		_, asked := up.asked()
		shown := strings.ReplaceAll(sse, `"m"`, `"any"`)
		if want == "" { // it said no: so be it
			want = strings.Replace(sent, `"any"`, `"meta/llama-3.1-8b"`, 1)
		} else {
			shown = strings.Replace(shown, strings.Replace(figures, `"m"`, `"any"`, 1), "", 1)
		}
		if asked != want || got.body != shown {
			t.Errorf("asked %s\nwant  %s\ngot %q\nwant %q", asked, want, got.body, shown)
		}
		if c := b.last(); c.TokensIn != 7 || c.TokensOut != 3 || c.Answer != "Hello" {
			t.Errorf("%+v", c)
		}
	}
}

// The agent's credentials end at the router; the provider's begin there.
func TestKeysAreOursAlone(t *testing.T) {
	up := serve(t, says("application/json", `{"object":"x","choices":[{"message":{"content":"your key is nvapi-the-real-key-of-nvidia"},"finish_reason":"stop"}]}`))
	b := newBench(t, toOpenAI(up.URL), nil)
	got := b.post("/v1/chat/completions", hello, "Authorization", "Bearer agents-own", "X-Api-Key", "agents", "Cookie", "a=b",
		"Openai-Organization", "org-x", "X-Goog-Api-Key", "g", "Accept", "application/json", "User-Agent", "OpenAI/JS 7.15.0")
	req, _ := up.asked()
	if a := req.Header.Get("Authorization"); a != "Bearer nvapi-the-real-key-of-nvidia" {
		t.Errorf("Authorization: %q", a)
	}
	for _, h := range []string{"X-Api-Key", "Cookie", "Openai-Organization", "X-Goog-Api-Key"} {
		if v := req.Header.Get(h); v != "" {
			t.Errorf("%s: %q reached the provider", h, v)
		}
	}
	if req.Header.Get("User-Agent") != "OpenAI/JS 7.15.0" || req.URL.Path != "/v1/chat/completions" {
		t.Errorf("%s %v", req.URL, req.Header)
	}
	if c := b.last(); strings.Contains(got.body+c.Answer+fmt.Sprint(got.header), "the-real-key") || !strings.Contains(got.body, masked) {
		t.Errorf("the key came back: %s %s", got.body, c.Answer)
	}
	plain := newBench(t, toOllama(up.URL), nil)
	plain.post("/api/chat", hello, "Authorization", "Bearer agents-own")
	if req, _ := up.asked(); req.Header.Get("Authorization") != "" {
		t.Errorf("without a key, Authorization %q went out", req.Header.Get("Authorization"))
	}
}

func TestRootAndManagementAndUnknown(t *testing.T) {
	up := serve(t, says("application/json", `{"models":[]}`))
	b := newBench(t, toOllama(up.URL), nil)
	if got := b.do("GET", "/", nil); got.status != 200 || got.body != "Ollama is running" {
		t.Errorf("%+v", got)
	}
	if got := b.do("HEAD", "/", nil); got.status != 200 {
		t.Errorf("%+v", got)
	}
	before := b.count()
	for _, c := range []struct {
		method, path string
		status       int
		openai       bool
	}{
		{"POST", "/api/pull", 403, false}, {"DELETE", "/api/delete", 403, false}, {"POST", "/api/push", 403, false},
		{"POST", "/api/create", 403, false}, {"POST", "/api/copy", 403, false}, {"HEAD", "/api/blobs/sha256:00", 403, false},
		{"POST", "/api/blobs/sha256:00", 403, false}, {"POST", "/api/signout", 403, false},
		{"GET", "/model/a/b/invoke", 404, false}, {"GET", "/metrics", 404, false}, {"GET", "/debug/pprof/", 403, false},
		{"GET", "/v1/../admin", 403, true}, {"GET", "/v1/models/%2e%2e", 403, true}, {"GET", "/v1/models/..", 403, true},
		{"GET", "//api/tags", 403, false}, {"GET", "/api//tags", 403, false}, {"GET", "/api/%74ags", 403, false}, {"GET", "/api/tags/", 403, false},
		{"GET", "/api/tags;x", 403, false}, {"GET", "/api/./tags", 403, false}, {"GET", "/v1/models/a%2f..%2fb", 403, true}, {"GET", "/v1/models/%252e", 403, true},
		{"GET", "/API/tags", 404, false}, {"GET", "/api/chat", 405, false}, {"POST", "/v1/models", 405, true}, {"OPTIONS", "/api/tags", 405, false},
	} {
		got := b.do(c.method, c.path, nil)
		if got.status != c.status || c.method != "HEAD" && (got.text() == "" || strings.Contains(got.body, `"code"`) != c.openai) {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, got.status, got.body, c.status)
		}
		if before++; b.count() != before || !b.last().Refused {
			t.Fatalf("%s %s: %d calls recorded, want %d", c.method, c.path, b.count(), before)
		}
	}
	if req, _ := up.asked(); req != nil {
		t.Errorf("the provider was asked for %s", req.URL)
	}
	if got := b.do("GET", "/api/tags", nil); got.status != 200 { // the control
		t.Errorf("%+v", got)
	}
}

// What two readers could read in two ways is refused.
func TestBodiesWithTwoReadings(t *testing.T) {
	up := serve(t, says("application/json", `{"done":true}`))
	b := newBench(t, toOllama(up.URL), nil)
	for name, body := range map[string]string{
		"twice":           `{"model":"a","model":"b","messages":[]}`,
		"other case":      `{"model":"a","MODEL":"b"}`,
		"only other case": `{"Model":"a"}`,
		"Kelvin sign":     "{\"model\":\"a\",\"\u212aeep_alive\":1,\"keep_alive\":2}",
		"escaped":         `{"model":"a","mod\u0065l":"b"}`,
		"stream twice":    `{"model":"a","stream":false,"Stream":true}`,
		"no string":       `{"model":["a"]}`,
		"null":            `{"model":null}`,
		"none":            `{"messages":[]}`,
		"empty":           ``,
		"array":           `[]`,
		"cut":             `{"model":"a"`,
		"two values":      `{"model":"a"}{"model":"b"}`,
		"not UTF-8":       "{\"model\":\"a\",\"x\":\"\xff\"}",
		"control":         `{"model":"a\nb"}`,
		"long name":       `{"model":"` + strings.Repeat("a", 300) + `"}`,
		"odd stream":      `{"model":"a","stream":"yes"}`,
		"deep":            `{"model":"a","x":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`,
	} {
		if got := b.post("/api/chat", body); got.status != 400 || got.text() == "" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if c := b.last(); c.Status != 400 || c.Error == "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if req, _ := up.asked(); req != nil {
		t.Error("the provider was asked")
	}
	if got := b.post("/api/show", `{"model":"a","name":"b"}`); got.status != 400 {
		t.Errorf("show with two names: %+v", got)
	}
	if got := b.post("/api/show", `{"name":"b"}`); got.status != 200 {
		t.Errorf("show: %+v", got)
	}
	if _, body := up.asked(); body != `{"name":"qwen3:8b"}` {
		t.Errorf("show asked for %s", body)
	}
}

func TestUnroutedModel(t *testing.T) {
	up := serve(t, says("application/json", `{"done":true,"models":[{"name":"good"},{"name":"other"}],"data":[{"id":"good"},{"id":"other"}]}`))
	b := newBench(t, fmt.Sprintf("routes: [{model: good, to: ollama/good}]\nproviders: {ollama: {url: %q}}", up.URL), nil)
	if got := b.post("/api/chat", `{"model":"other"}`); got.status != 404 || !strings.Contains(got.text(), "other") {
		t.Errorf("%+v", got)
	}
	if c := b.last(); !c.Refused || c.Asked != "other" {
		t.Errorf("%+v", c)
	}
	got := b.post("/v1/chat/completions", `{"model":"other"}`)
	if got.status != 404 || !strings.Contains(got.body, `"model_not_found"`) {
		t.Errorf("%+v", got)
	}
	if got := b.post("/api/chat", `{"model":"good","stream":false}`); got.status != 200 {
		t.Errorf("%+v", got)
	}
	for path, want := range map[string]string{"/api/tags": `[{"name":"good"}]`, "/v1/models": `[{"id":"good"}]`} {
		if got := b.do("GET", path, nil); !strings.Contains(got.body, want) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if got := b.do("GET", "/v1/models/other", nil); got.status != 404 {
		t.Errorf("%+v", got)
	}
}

func TestMetadataLogLeavesContentsOut(t *testing.T) {
	up := serve(t, says("application/x-ndjson", ndjson))
	b := newBench(t, toOllama(up.URL)+"log: metadata\n", nil)
	b.post("/api/chat", `{"model":"any","messages":[{"role":"user","content":"a very private thing"}],"user":"private too"}`)
	if c := b.last(); c.Prompt+c.Answer+c.Extra != "" || c.TokensOut != 2 {
		t.Errorf("%+v", c)
	}
	if strings.Contains(b.log.String(), "private") {
		t.Error(b.log.String())
	}
}

func TestSecretsAreMasked(t *testing.T) {
	up := serve(t, says("application/json", `{"message":{"content":"use sk-abcdefghijklmnopqrstuv"},"done":true}`))
	b := newBench(t, toOllama(up.URL), nil)
	b.router.secrets.add("my-stored-key")
	b.post("/api/chat", `{"model":"any","stream":false,"messages":[{"role":"user","content":"Bearer abcdefgh12345 nvapi-12345678 my-stored-key ghp_0123456789012345678901 harmless"}]}`)
	c := b.last()
	for _, s := range []string{"abcdefgh12345", "nvapi-1", "my-stored-key", "ghp_", "sk-abc"} {
		if strings.Contains(b.log.String(), s) {
			t.Errorf("%q in %s", s, b.log.String())
		}
	}
	if !strings.Contains(c.Prompt, "harmless") {
		t.Errorf("%+v", c)
	}
}

func TestReloadIsOnePointer(t *testing.T) {
	release := make(chan struct{})
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		says("application/json", `{"message":{"content":"first"},"done":true}`)(w, r)
	})
	second := serve(t, says("application/json", `{"message":{"content":"second"},"done":true}`))
	b := newBench(t, toOllama(first.URL), nil)
	old := make(chan reply)
	go func() { old <- b.post("/api/chat", `{"model":"any","stream":false}`) }()
	for {
		if r, _ := first.asked(); r != nil {
			break
		}
	}
	b.use(toOllama(second.URL))
	if got := b.post("/api/chat", `{"model":"any","stream":false}`); !strings.Contains(got.body, "second") {
		t.Errorf("after the reload: %+v", got)
	}
	close(release)
	if got := <-old; !strings.Contains(got.body, "first") {
		t.Errorf("in flight: %+v", got)
	}
}
