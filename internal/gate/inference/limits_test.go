package inference

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestBodyLimits(t *testing.T) {
	p := serve(t, says(jsonType, `{"done":true}`))
	b := newBench(t, toOllama(p.URL)+"limits: {body_bytes: 1000}\n", nil)
	big := `{"model":"any","x":"` + strings.Repeat("a", 1000) + `"}`
	if got := b.post("/api/chat", big); got.status != 413 || !strings.Contains(got.text(), "1000 bytes") {
		t.Errorf("%+v", got)
	}
	if got := b.do("POST", "/v1/chat/completions", io.MultiReader(strings.NewReader(big))); got.status != 413 { // without a length
		t.Errorf("%+v", got)
	}
	if got := b.post("/api/chat", hello, "Content-Encoding", "gzip"); got.status != 415 {
		t.Errorf("%+v", got)
	}
	if req, _ := p.asked(); req != nil {
		t.Error("the provider was asked")
	}
	if got := b.post("/api/chat", hello); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

func TestLimits(t *testing.T) {
	p := serve(t, says(jsonType, `{"done":true,"prompt_eval_count":60,"eval_count":50}`))
	b := newBench(t, toOllama(p.URL)+"limits: {requests_per_minute: 2, tokens_per_day: 300}\n", nil)
	clock := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC)
	b.router.now = func() time.Time { return clock }
	b.router.places.list = []string{}
	want := func(status int, text string) reply {
		t.Helper()
		got := b.post("/api/chat", `{"model":"any","stream":false}`)
		if got.status != status || !strings.Contains(got.text(), text) {
			t.Fatalf("%+v, want %d %q", got, status, text)
		}
		return got
	}
	want(200, "")
	want(200, "") // 220 tokens
	if got := want(429, "more than 2 requests a minute"); got.header.Get("Retry-After") != "60" {
		t.Errorf("%v", got.header)
	}
	if !b.last().Refused {
		t.Error("not recorded as refused")
	}
	if got := b.do("GET", "/api/tags", nil); got.status != 200 { // costs nothing
		t.Errorf("%+v", got)
	}
	clock = clock.Add(time.Minute)
	want(200, "") // 330
	if got := want(429, "300 tokens of today"); got.header.Get("X-Should-Retry") != "false" {
		t.Errorf("%v", got.header)
	}
	clock = clock.Add(time.Hour) // the next day
	want(200, "")
	clock = clock.Add(-2 * time.Minute) // a clock that is set back finds the day used up as it was
	want(429, "300 tokens of today")
	clock = clock.Add(3 * time.Minute)
	want(200, "")

	seeded := newBench(t, toOllama(p.URL)+"limits: {tokens_per_day: 300}\n", func(c *Config) { c.Used.Tokens = 300 })
	if got := seeded.post("/v1/chat/completions", hello); got.status != 429 || !strings.Contains(got.body, "insufficient_quota") {
		t.Errorf("%+v", got)
	}
}

// A stream whose figures the agent prevents still counts.
func TestUncountedTokensAreEstimated(t *testing.T) {
	p := serve(t, stream(sseMedia, false, oneEvent, strings.Replace(oneEvent, "Hel", strings.Repeat("word ", 400), 1), "data: [DONE]\n\n"))
	b := newBench(t, toOpenAI(p.URL)+"limits: {tokens_per_day: 100}\n", nil)
	body := `{"model":"any","stream":true,"messages":[]}`
	if got := b.post("/v1/chat/completions", body); got.status != 200 {
		t.Errorf("%+v", got)
	}
	if c := b.last(); c.TokensOut != 0 {
		t.Errorf("a guess was recorded as a figure: %+v", c)
	}
	if got := b.post("/v1/chat/completions", body); got.status != 429 {
		t.Errorf("%+v", got)
	}
}

// Who leaves before the answer comes has had it made: that counts, or a day's limits
// would bound nothing.
func TestLeavingEarlyCounts(t *testing.T) {
	for body, want := range map[string]int64{
		`{"model":"any","messages":[],"max_tokens":70000}`:            70000,
		`{"model":"any","messages":[],"max_completion_tokens":70000}`: 70000,
		`{"model":"any","messages":[]}`:                               unnamed,
		`{"model":"any","messages":[],"stream":true}`:                 1,
	} {
		started := make(chan struct{})
		p := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
		})
		b := newBench(t, toOpenAI(p.URL)+"limits: {tokens_per_day: 100000}\n", nil)
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			<-started
			leave()
		}()
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/v1/chat/completions", strings.NewReader(body))
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			resp.Body.Close()
			t.Fatal("there was an answer")
		}
		c := b.last()
		if used := b.router.Used().Tokens; used < want || used > want+100 || c.Counted != used || c.TokensOut != 0 {
			t.Errorf("%s: %d tokens, want about %d; %+v", body, used, want, c)
		}
	}
}

func TestDeadProviderIsAnsweredAtOnce(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	alive := serve(t, says(jsonType, `{"version":"0.17.4"}`))
	b := newBench(t, toOllama(gone.URL), nil)
	began := time.Now()
	got := b.post("/api/chat", hello)
	if got.status != 503 || !strings.Contains(got.text(), "connection refused → on the host: ollama serve") || time.Since(began) > 2*time.Second {
		t.Errorf("%+v after %s", got, time.Since(began))
	}
	other := newBench(t, toOllama(gone.URL), nil)
	other.router.places.list = []string{gone.URL, alive.URL}
	got = other.post("/v1/chat/completions", hello)
	if got.status != 503 || !strings.HasSuffix(got.text(), "nemoclaw my-assistant set-inference-url "+alive.URL) || !strings.Contains(got.body, `"provider_down"`) {
		t.Errorf("%+v", got)
	}
	if c := other.last(); c.Refused || c.Status != 503 || c.Error == "" {
		t.Errorf("%+v", c)
	}
	if h := other.router.Probe(t.Context()); h.Connected || h.Hint != "nemoclaw my-assistant set-inference-url "+alive.URL || h.Model != "ollama/qwen3:8b" {
		t.Errorf("%+v", h)
	}
}

func TestFallback(t *testing.T) {
	bad := serve(t, status(500, jsonType, `{"error":"no memory"}`))
	good := serve(t, says(jsonType, `{"model":"small","choices":[{"message":{"content":"from the other"},"finish_reason":"stop"}]}`))
	yaml := fmt.Sprintf("routes: [{model: \"*\", to: [ollama/big, backup/small]}]\nproviders: {ollama: {url: %q}, backup: {url: %q}}\n", bad.URL, good.URL)
	b := newBench(t, yaml, nil)
	if got := b.post("/v1/chat/completions", hello); got.status != 200 || !strings.Contains(got.body, `"model":"any"`) {
		t.Errorf("%+v", got)
	}
	if c := b.last(); c.Given != "backup/small" || c.Answer != "from the other" || c.Error != "" || b.count() != 1 {
		t.Errorf("%+v", c)
	}
}

func TestWhatKeepsACallFromLeaving(t *testing.T) {
	p := serve(t, says(jsonType, `{"done":true}`))
	ready := error(nil)
	why := ""
	b := newBench(t, strings.Replace(toOpenAI(p.URL), "key: nvidia", "key: lost", 1), func(c *Config) {
		c.Ready = func() error { return ready }
		c.Blocked = func(string, int) (string, bool) { return why, why != "" }
	})
	refused := func(status int, text string) {
		t.Helper()
		got := b.post("/api/chat", `{"model":"any","messages":[{"role":"user","content":"hi"}]}`)
		if got.status != status || !strings.Contains(got.text(), text) {
			t.Errorf("%+v, want %d %q", got, status, text)
		}
	}
	refused(502, "nemoclaw secret set lost")
	if b.last().Refused {
		t.Error("a key that is missing counts as the policy's word")
	}
	why = "deny 127.0.0.1 (line 9)"
	refused(403, "under egress and not under deny, then: nemoclaw my-assistant reload-policy")
	if !b.last().Refused {
		t.Error("what the network policy blocked is not recorded as refused")
	}
	ready = io.ErrShortWrite
	refused(503, "cannot be recorded")
	if req, _ := p.asked(); req != nil {
		t.Error("the provider was asked")
	}
	if strings.Contains(b.logged(), "/root/") {
		t.Error("the key's path is in the agent's log")
	}
}
