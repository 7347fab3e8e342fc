package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const routes = `# who answers
routes:
  - model: "gpt-*"                       # the agent's habit
    to: [nvidia/meta/llama-3.1-8b, ollama/qwen3:8b]
  - model: "*-embed-*"
    to: ollama/nomic-embed-text
  - model: "*"                           # all others
    to: ollama/qwen3:8b                  # small
providers:
  ollama: {url: "http://host.docker.internal:11434"} # on the host
  nvidia: {url: "https://integrate.api.nvidia.com/v1", key: nvidia}
  lab:
    url: http://172.17.0.1:8000/v1/
    api: anthropic
limits: {requests_per_minute: 60, tokens_per_day: 2000000}
log: metadata
`

func mustInference(t testing.TB, text string) *Inference {
	t.Helper()
	f, err := ParseInference("inference.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseInference(t *testing.T) {
	f := mustInference(t, routes)
	if f.Limits() != (Limits{RequestsPerMinute: 60, TokensPerDay: 2000000, BodyBytes: 32 << 20, Idle: 5 * time.Minute}) || f.LogFull() || len(f.Revision()) != 12 {
		t.Errorf("%+v", f)
	}
	if f.Fetches() || !mustInference(t, routes+"fetch: allow\n").Fetches() || mustInference(t, routes+"fetch: refuse\n").Fetches() {
		t.Error("fetch is not what was written, or not refuse where nothing was")
	}
	if d := f.Default(); d.String() != "ollama/qwen3:8b" || d.URL.String() != "http://host.docker.internal:11434" || d.API != "ollama" {
		t.Errorf("%+v", d)
	}
	for name, api := range map[string]string{"ollama": "ollama", "nvidia": "openai", "lab": "anthropic"} {
		if p, known := f.Provider(name); !known || p.API != api {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p, _ := f.Provider("lab"); p.URL.String() != "http://172.17.0.1:8000/v1/" {
		t.Errorf("not as written: %s", p.URL)
	}
}

func TestRoute(t *testing.T) {
	f := mustInference(t, routes)
	for model, want := range map[string]string{
		"gpt-4o":            "nvidia/meta/llama-3.1-8b ollama/qwen3:8b",
		"gpt-":              "nvidia/meta/llama-3.1-8b ollama/qwen3:8b",
		"my-embed-2":        "ollama/nomic-embed-text",
		"-embed-":           "ollama/nomic-embed-text",
		"embed":             "ollama/qwen3:8b",
		"GPT-4o":            "ollama/qwen3:8b",
		"qwen3:8b":          "ollama/qwen3:8b",
		"":                  "ollama/qwen3:8b",
		"a-embed-b-embed-c": "ollama/nomic-embed-text",
	} {
		targets, err := f.Route(model)
		var got []string
		for _, target := range targets {
			got = append(got, target.String())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v", model, got, err)
		}
	}
	strict := mustInference(t, strings.ReplaceAll(routes, `"*" `, `"only" `))
	var none *NoRoute
	if targets, err := strict.Route("other"); targets != nil || !errors.As(err, &none) || none.Hint() == "" {
		t.Errorf("%v, %v", targets, err)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, model string
		want           bool
	}{
		{"*", "", true}, {"a*", "a", true}, {"*a", "ba", true}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"*ab*ab*", "abab", true}, {"*ab*ab*", "ab", false}, {"a**b", "ab", true}, {"", "", true}, {"a", "ab", false},
	} {
		if matches(c.pattern, c.model) != c.want {
			t.Errorf("%q %q", c.pattern, c.model)
		}
	}
}

func TestSetModel(t *testing.T) {
	for name, c := range map[string]struct{ text, target, want string }{
		"plain":    {routes, "nvidia/a/b", strings.Replace(routes, "to: ollama/qwen3:8b     ", `to: "nvidia/a/b"     `, 1)},
		"the same": {routes, "ollama/qwen3:8b", routes},
		"list": {
			`routes: [{model: "*", to: [a/x, b/y]}] # r` + "\nproviders: {a: {url: 'http://a'}, b: {url: 'http://b'}}\n", "b/z",
			`routes: [{model: "*", to: ["b/z", b/y]}] # r` + "\nproviders: {a: {url: 'http://a'}, b: {url: 'http://b'}}\n",
		},
		"fallback moves up": {
			`routes: [{model: "*", to: [a/x, b/y]}]` + "\nproviders: {a: {url: 'http://a'}, b: {url: 'http://b'}}\n", "b/y",
			`routes: [{model: "*", to: ["b/y", "a/x"]}]` + "\nproviders: {a: {url: 'http://a'}, b: {url: 'http://b'}}\n",
		},
		"no route for all": {
			"routes:\n  - model: x # one\n    to: a/x\nproviders: {a: {url: 'http://a'}}\n", "a/y",
			"routes:\n  - model: x # one\n    to: a/x\n  - model: \"*\"\n    to: \"a/y\"\nproviders: {a: {url: 'http://a'}}\n",
		},
	} {
		got, err := SetModel([]byte(c.text), c.target)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s", name, err, got)
			continue
		}
		if d := mustInference(t, string(got)).Default(); d.String() != c.target {
			t.Errorf("%s: %s", name, d)
		}
	}
	var bad *BadTarget
	if _, err := SetModel([]byte(routes), "olama/x"); !errors.As(err, &bad) || bad.Hint() != `did you mean "ollama"?` {
		t.Errorf("%v", err)
	}
	for _, target := range []string{"", "qwen3", "ollama/", "/x", "ollama/*", "ollama/a\nb"} {
		if got, err := SetModel([]byte(routes), target); err == nil {
			t.Errorf("%q:\n%s", target, got)
		}
	}
}

func TestSetURL(t *testing.T) {
	got, err := SetURL([]byte(routes), "ollama", "http://172.17.0.1:11434")
	if err != nil || string(got) != strings.Replace(routes, "http://host.docker.internal:11434", "http://172.17.0.1:11434", 1) {
		t.Errorf("%v\n%s", err, got)
	}
	got, err = SetURL(got, "lab", "http://127.0.0.1:8000")
	if err != nil || !slices.Equal(comments(got), comments([]byte(routes))) {
		t.Errorf("%v\n%s", err, got)
	}
	if p, _ := mustInference(t, string(got)).Provider("lab"); p.URL.Host != "127.0.0.1:8000" {
		t.Errorf("%s", p.URL)
	}
	for name, c := range map[string][2]string{
		"no provider": {"other", "http://a"}, "no scheme": {"ollama", "127.0.0.1:11434"},
		"secret": {"ollama", "http://u:hunter2@a"}, "decimal": {"ollama", "http://2130706433"},
	} {
		if got, err := SetURL([]byte(routes), c[0], c[1]); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

// TestSecretsAreNotRepeated: messages are printed and written to the book.
func TestSecretsAreNotRepeated(t *testing.T) {
	for _, provider := range []string{
		`{url: "http://user:hunter2@x.org"}`, `{url: "http://x.org?key=hunter2"}`, `{url: "http://x.org", key: "sk-HUNTER2 hunter2", api: no}`,
		`{url: "http://user:hunter2@x y"}`,
	} {
		_, err := ParseInference("inference.yaml", []byte("routes: [{model: '*', to: a/x}]\nproviders:\n  a: "+provider+"\n"))
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "hunter2") {
			t.Errorf("%s: %v", provider, err)
		}
	}
}
