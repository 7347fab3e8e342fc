package supervisor

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

func parsed(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("network-policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyNotes(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, text string
		want, not  []string
	}{
		{"asked", "egress:\n  - {host: api.github.com, ports: [80, 443], note: private}\n  - {host: old.org, port: 443, expires: 2026-01-01T00:00:00Z}\n  - {host: new.org, port: 443, expires: 2027-01-01T00:00:00Z, binaries: [/usr/bin/git]}\ndeny:\n  - {host: evil.org}\nhold: 3s\n",
			[]string{"- api.github.com:80,443\n", "- new.org:443 for /usr/bin/git, until 2027-01-01T00:00:00Z\n", "- evil.org, every port\n", "up\nto 3s", "nemoclaw box policy add HOST:PORT\n"},
			[]string{"private", "old.org", "nobody is asked"}},
		{"not held", "egress:\n  - {host: 127.0.0.1, port: 8080}\nhold: 0s\n", []string{"- host.nemoclaw.internal:8080\n", "fails at\nonce"}, []string{"- 127.0.0.1"}},
		{"refused", "egress: []\n", []string{"No host may be reached", "nobody is asked"}, []string{"just connect"}},
	} {
		got := string(policyNotes("box", parsed(t, c.text), now))
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: without %q:\n%s", c.name, w, got)
			}
		}
		for _, w := range c.not {
			if strings.Contains(got, w) {
				t.Errorf("%s: with %q:\n%s", c.name, w, got)
			}
		}
	}
	if got := string(policyNotes("box", policy.Open(), now)); !strings.Contains(got, "Every host may be reached") {
		t.Error(got)
	}
}

// A policy of ten thousand rules does not fill the agent's context.
func TestPolicyNotesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("egress:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  - {host: h%d.example.com, port: 443}\n", i)
	}
	got := string(policyNotes("box", parsed(t, b.String()), time.Now()))
	if len(got) > 32<<10 || !strings.Contains(got, "more\n") {
		t.Errorf("%d bytes", len(got))
	}
}

// The file is written in place: whoever has it open, as the sandbox has, sees
// the newest text and nothing of a longer one before it. A link in its place is
// not followed.
func TestNotesAreWrittenInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "POLICY.md")
	n, err := openNotes(path, "box")
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	long := parsed(t, "egress:\n  - {host: a.org, port: 443}\n  - {host: b.org, port: 443}\n")
	short := parsed(t, "egress:\n  - {host: c.org, port: 443}\n")
	if err := n.write(func() *policy.Policy { return long }, time.Now()); err != nil {
		t.Fatal(err)
	}
	inside, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if err := n.write(func() *policy.Policy { return short }, time.Now()); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(inside)
	if err != nil || string(got) != string(policyNotes("box", short, time.Now())) {
		t.Errorf("%v:\n%s", err, got)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := openNotes(link, "box"); err == nil {
		t.Error("a link was followed")
	}
}
