package inference

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A provider's key reaches that provider's host and nobody else: not where it
// redirects to, not the one behind it, not where the agent's request points.
func TestKeyGoesToItsHostAlone(t *testing.T) {
	elsewhere := serve(t, says(jsonType, `{"choices":[{"message":{"content":"caught"},"finish_reason":"stop"}]}`))
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/v1/chat/completions", http.StatusTemporaryRedirect)
	})
	second := serve(t, says(jsonType, `{"choices":[{"message":{"content":"second"},"finish_reason":"stop"}]}`))
	b := newBench(t, fmt.Sprintf("routes: [{model: \"*\", to: [one/a, two/b]}]\nproviders: {one: {url: %q, key: one}, two: {url: %q, key: two}}\n", first.URL, second.URL), nil)

	// The control: an ordinary client follows, and takes the key along.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, first.URL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "the-key")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if r, _ := elsewhere.asked(); r == nil || r.Header.Get("X-Api-Key") != "the-key" {
		t.Fatal("no client follows this redirect: the case proves nothing")
	}

	if got := b.post("/v1/chat/completions", hello); !strings.Contains(got.body, "second") {
		t.Errorf("%+v", got)
	}
	if len(elsewhere.all()) != 1 {
		t.Error("the redirect was followed")
	}
	for p, want := range map[*provider]string{first: "one", second: "two"} {
		if r, _ := p.asked(); r.Header.Get("Authorization") != "Bearer nvapi-the-real-key-of-"+want {
			t.Errorf("%s got %q", want, r.Header.Get("Authorization"))
		}
	}
	if c := b.last(); len(c.Steps) != 1 || !strings.Contains(c.Steps[0].Error, "redirect to "+elsewhere.URL) {
		t.Errorf("%+v", c)
	}
}

// Whatever host the agent names, its call goes where the policy says; a model
// name that looks like another provider's chooses none.
func TestAgentChoosesNoHostAndNoKey(t *testing.T) {
	ours := serve(t, says(jsonType, `{"choices":[{"message":{"content":"ours"},"finish_reason":"stop"}]}`))
	other := serve(t, says(jsonType, `{"choices":[{"message":{"content":"caught"},"finish_reason":"stop"}]}`))
	b := newBench(t, fmt.Sprintf("routes: [{model: \"*\", to: open/small}]\nproviders: {open: {url: %q}, paid: {url: %q, key: paid}}\n", ours.URL, other.URL), nil)
	ask := func(target, host, body string) {
		t.Helper()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
		req.Host = host
		req.Header.Set("Content-Type", jsonType)
		w := httptest.NewRecorder()
		b.router.ServeHTTP(w, req)
		if strings.Contains(w.Body.String(), "caught") {
			t.Errorf("%s %s: %s", target, host, w.Body)
		}
	}
	for _, body := range []string{hello, `{"model":"paid/small"}`, `{"model":"any","base_url":"` + other.URL + `","provider":"paid","api_key":"x"}`} {
		ask("/v1/chat/completions", "inference.local", body)
		ask(other.URL+"/v1/chat/completions", "inference.local", body) // as to a proxy
		ask("/v1/chat/completions", strings.TrimPrefix(other.URL, "http://"), body)
	}
	elsewhere, belong := other.all(), ours.all()
	if len(elsewhere) != 0 || len(belong) != 9 {
		t.Errorf("%d calls elsewhere, %d where they belong", len(elsewhere), len(belong))
	}
	for _, r := range belong {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Api-Key") != "" {
			t.Errorf("a key of another provider: %v", r.Header)
		}
	}
	// The control: the other provider is there, and a route leads to it.
	b.use(strings.Replace(b.yaml, "open/small", "paid/small", 1))
	if got := b.post("/v1/chat/completions", hello); !strings.Contains(got.body, "caught") {
		t.Errorf("%+v", got)
	}
}

// A stored key is masked before it was ever used, in a step's error too, and as
// JSON writes it.
func TestStoredKeysAreMaskedBeforeTheyAreUsed(t *testing.T) {
	const key = `a<b>"c\d&key`
	bad := serve(t, status(500, jsonType, `{"error":{"message":"you sent a<b>\"c\\d&key"}}`))
	good := serve(t, says(jsonType, `{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}`))
	b := newBench(t, fmt.Sprintf("routes: [{model: \"*\", to: [one/a, two/b]}]\nproviders: {one: {url: %q}, two: {url: %q}, unused: {url: \"http://10.0.0.1\", key: unused}}\n", bad.URL, good.URL), func(c *Config) {
		c.Key = func(string) ([]byte, error) { return []byte(key), nil }
	})
	said := `{"model":"any","messages":[{"role":"user","content":"a<b>\"c\\d&key or a\u003cb\u003e\"c\\d\u0026key, harmless"}]}`
	b.post("/v1/chat/completions", said)
	if c := b.last(); !strings.Contains(c.Prompt, `&key`) {
		t.Fatalf("the control: nothing to mask in %s", c.Prompt)
	}
	b.router.Learn(b.policy.Load())
	b.post("/v1/chat/completions", said)
	c := b.last()
	if text := c.Prompt + fmt.Sprint(c.Steps); strings.Contains(text, "key") || !strings.Contains(text, "harmless") || strings.Count(text, masked) != 3 {
		t.Errorf("%s", text)
	}
}
