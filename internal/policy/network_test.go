package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// article is the policy file of the product's introduction, as it stands there.
const article = `# ~/.nemoclaw/my-assistant/network-policy.yaml
egress:
- host: "127.0.0.1" # Ollama (local)
  port: 11434
- host: "api.github.com" # GitHub API
  port: 443
- host: "packages.example.org" # Python packages
  port: 443
`

// everything has every field.
const everything = `egress:
  - host: "api.github.com"
    port: 443
  - host: "*.githubusercontent.com"      # one label
    ports: [80, 443]
    binaries: [/usr/bin/git, /usr/bin/curl]
    addresses: [10.0.0.0/8, "fd00::/16", 192.168.1.7]
    expires: 2026-12-31T00:00:00Z
    note: "read-only"
  - {host: "10.1.0.0/16", port: 5432}
  - {host: 203.0.113.9, port: "22"}
deny:
  - host: "suspicious-host.com"
    port: 443
    note: "seen in a prompt"
  - host: "**.tracker.net"
unlisted: ask
hold: 2500ms
`

func mustParse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse("network-policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseArticle(t *testing.T) {
	p := mustParse(t, article)
	if p.Rules() != 3 || p.Hold() != 8*time.Second || len(p.Revision()) != 12 {
		t.Fatalf("rules %d, hold %s, revision %q", p.Rules(), p.Hold(), p.Revision())
	}
	for _, indented := range []string{article, strings.ReplaceAll(article, "\n", "\r\n"), byteOrderMark + article, everything} {
		mustParse(t, indented)
	}
}

func TestFormatIsRead(t *testing.T) {
	for _, text := range []string{article, everything, "egress: []\n", "unlisted: ask\n", "hold: 0s\n", "deny:\n  - host: x.org\n"} {
		p := mustParse(t, text)
		again := mustParse(t, string(p.Format()))
		if !p.same(again) {
			t.Errorf("format changed what it says:\n%s\n%s", text, p.Format())
		}
	}
}

func TestUnlisted(t *testing.T) {
	for text, want := range map[string]Action{
		"egress: []\n":                       Deny,
		"egress:\n":                          Deny,
		"hold: 3s\n":                         Deny,
		"unlisted: ask\n":                    Ask,
		"unlisted: deny\n":                   Deny,
		article:                              Ask,
		article + "unlisted: deny\n":         Deny,
		"deny: [{host: evil.example.com}]\n": Ask,
		"egress: []\nunlisted: ask\n":        Ask,
		"egress: [{host: example.org, port: 80}]\n": Ask,
	} {
		v := mustParse(t, text).Decide(Request{Host: "elsewhere.net", Port: 443})
		if v.Action != want || v.Why == "" {
			t.Errorf("%q: %s", text, v)
		}
	}
}

// TestParseProblems holds each file in testdata/problems to the errors that
// stand beside it: what an operator sees. UPDATE=1 writes them anew.
func TestParseProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) { checkProblems(t, file) })
	}
}

func checkProblems(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := parseEither(file, data)
	var invalid *Invalid
	if !errors.As(bad, &invalid) || len(invalid.Problems) == 0 {
		t.Fatalf("no problem found: %v", bad)
	}
	for _, p := range invalid.Problems {
		if p.Line < 1 || p.Column < 1 || p.Message == "" || p.Want == "" {
			t.Errorf("incomplete: %+v", p)
		}
	}
	golden := strings.TrimSuffix(file, ".yaml") + ".txt"
	got := bad.Error() + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// parseEither reads a file by what its name says it is.
func parseEither(file string, data []byte) error {
	if strings.HasPrefix(filepath.Base(file), "inference") {
		f, err := ParseInference("inference.yaml", data)
		if f != nil && err != nil {
			return errors.New("both a value and an error")
		}
		return err
	}
	p, err := Parse("network-policy.yaml", data)
	if p != nil && err != nil {
		return errors.New("both a value and an error")
	}
	return err
}
