package inference

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// paid is a policy with a model that costs money and one of our own behind it.
func paid(cloud, own, limits string) string {
	return fmt.Sprintf(`routes:
- {model: "only-big", to: nvidia/big}
- {model: "local", to: ollama/small}
- {model: "*", to: [nvidia/big, ollama/small]}
providers: {nvidia: {url: %q, key: nvidia}, ollama: {url: %q}}
prices:
- {model: "nvidia/*", in: 1000, out: 2000, cached: 100}
- {model: "ollama/*", in: 0, out: 0}
limits: %s
`, cloud, own, limits)
}

// warnings gathers notices.
type warnings struct {
	mu  sync.Mutex
	all []Notice // protected by mu
}

func (w *warnings) add(n Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, n)
}

func (w *warnings) texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, n := range w.all {
		out = append(out, fmt.Sprintf("%s %t %s", n.Limit, n.Reached, n.Text))
	}
	return out
}

// A budget for the day: a warning near its end, a clear error at it; what costs
// nothing stands in, and still works.
func TestSpend(t *testing.T) {
	cloud := serve(t, says(jsonType, `{"choices":[{"message":{"content":"dear"},"finish_reason":"stop"}],"usage":{"prompt_tokens":400,"completion_tokens":100,"prompt_tokens_details":{"cached_tokens":200}}}`))
	own := serve(t, says(jsonType, `{"choices":[{"message":{"content":"free"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9000000,"completion_tokens":9}}`))
	var warned warnings
	yaml := paid(cloud.URL, own.URL, "{spend_per_day: 1.05}")
	b := newBench(t, yaml, func(c *Config) { c.Warn = warned.add })
	ask := func(model, want string) Call {
		t.Helper()
		got := b.post("/v1/chat/completions", `{"model":"`+model+`","messages":[]}`)
		if !strings.Contains(got.body, want) {
			t.Fatalf("%+v, want %q", got, want)
		}
		return b.last()
	}
	// 200 at 1000, 200 at 100, 100 at 2000 for a million: 0.42.
	if c := ask("any", "dear"); c.Cost != 0.42 || c.Cached != 200 || c.Given != "nvidia/big" {
		t.Errorf("%+v", c)
	}
	ask("any", "dear")
	ask("any", "dear") // the call that passes the budget is let in: nobody knew what it costs
	if c := ask("any", "free"); c.Given != "ollama/small" || c.Cost != 0 || len(c.Steps) != 1 || c.Steps[0].Status != 429 || !strings.Contains(c.Steps[0].Error, "budget of 1.05 for today is used up (1.26)") {
		t.Errorf("%+v", c)
	}
	ask("local", "free")
	asked := len(cloud.all())
	got := b.post("/v1/chat/completions", `{"model":"only-big","messages":[]}`)
	if got.status != 429 || !strings.Contains(got.body, "insufficient_quota") || got.header.Get("X-Should-Retry") != "false" || !strings.Contains(got.text(), "raise spend_per_day in inference.yaml") {
		t.Errorf("%+v", got)
	}
	if c := b.last(); !c.Refused || len(cloud.all()) != asked {
		t.Errorf("asked all the same: %+v", c)
	}
	want := []string{"spend_per_day false 0.84 of 1.05 for today", "spend_per_day true 1.26 of 1.05 for today"}
	if !slices.Equal(warned.texts(), want) {
		t.Errorf("%q", warned.texts())
	}
	if u := b.router.Used(); u.Money.String() != "1.26" || u.Limits.SpendPerDay.String() != "1.05" {
		t.Errorf("%+v", u)
	}
	b.use(strings.Replace(yaml, "spend_per_day: 1.05", "spend_per_day: 5", 1)) // the operator raises it: at once
	ask("only-big", "dear")

	after := newBench(t, yaml, func(c *Config) { c.Used.Money = 2 * policy.One }) // as a restart finds it
	if got := after.post("/v1/chat/completions", `{"model":"only-big","messages":[]}`); got.status != 429 {
		t.Errorf("%+v", got)
	}
}

// Each limit is warned of once a day, or once an hour where it is of a minute.
func TestWarnings(t *testing.T) {
	p := serve(t, says(jsonType, `{"done":true,"prompt_eval_count":50,"eval_count":35}`))
	var warned warnings
	b := newBench(t, toOllama(p.URL)+"limits: {requests_per_minute: 5, tokens_per_day: 400, body_bytes: 1000}\n", func(c *Config) { c.Warn = warned.add })
	clock := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	b.router.now = func() time.Time { return clock }
	body := `{"model":"any","stream":false}`
	for range 6 {
		b.post("/api/chat", body)
		b.last()
		clock = clock.Add(time.Second)
	}
	b.post("/api/chat", `{"model":"any","stream":false,"x":"`+strings.Repeat("a", 900)+`"}`)
	b.post("/api/chat", `{"model":"any","stream":false,"x":"`+strings.Repeat("a", 1900)+`"}`)
	b.last()
	want := []string{
		"requests_per_minute false 4 of 5 requests of this minute",
		"tokens_per_day false 340 of 400 tokens of today",
		"requests_per_minute true 5 of 5 requests of this minute",
		"tokens_per_day true 425 of 400 tokens of today",
		"body_bytes false a request of 937 of 1000 bytes",
		"body_bytes true a request of 1937 of 1000 bytes",
	}
	if got := warned.texts(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	clock = clock.Add(24 * time.Hour)
	for range 5 {
		b.post("/api/chat", body)
		b.last()
	}
	if got := warned.texts(); len(got) != len(want)+4 {
		t.Errorf("the next day: %q", got[len(want):])
	}
}

// An answer that the agent cuts short costs what was said, though its provider
// had given figures of its beginning alone.
func TestWhatIsCutShortCounts(t *testing.T) {
	for name, c := range map[string]struct {
		u          policy.Usage
		sent, said int64
		done       bool
		want       policy.Usage
	}{
		"counted":         {policy.Usage{In: 10, Out: 5}, 4000, 4000, true, policy.Usage{In: 10, Out: 5}},
		"cut":             {policy.Usage{In: 10, Out: 1}, 4000, 4000, false, policy.Usage{In: 10, Out: 1000}},
		"nobody counted":  {policy.Usage{}, 4000, 400, true, policy.Usage{In: 1000, Out: 100}},
		"cut, none given": {policy.Usage{}, 4000, 400, false, policy.Usage{In: 1000, Out: 100}},
	} {
		if got := guessed(c.u, c.sent, c.said, c.done); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTotalTime(t *testing.T) {
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", ndMedia)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C { // never idle, never done
			if r.Context().Err() != nil {
				return
			}
			_, _ = fmt.Fprint(w, oneLine)
			w.(http.Flusher).Flush()
		}
	})
	b := newBench(t, toOllama(slow.URL)+"limits: {total: 300ms}\n", nil)
	got := b.post("/api/chat", `{"model":"any","messages":[]}`)
	if c := b.last(); got.status != 200 || !strings.Contains(c.Error, "took longer than 300ms") || !strings.HasPrefix(c.Answer, "HelHel") || c.Counted == 0 {
		t.Errorf("%+v %+v", got, c)
	}
}
