package cli

import (
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

func TestJudge(t *testing.T) {
	p, err := policy.Parse("p.yaml", []byte("egress:\n  - {host: api.github.com, port: 443}\ndeny:\n  - {host: evil.example.com, port: 443}\n"))
	if err != nil {
		t.Fatal(err)
	}
	closed, err := policy.Parse("p.yaml", []byte("deny:\n  - {host: host.docker.internal, port: 11434}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p    *policy.Policy
		to   string
		want policy.Action
	}{
		{p, "api.github.com", policy.Allow},
		{p, "API.GitHub.com.:443", policy.Allow},
		{p, "api.github.com:80", policy.Ask},
		{p, "evil.example.com", policy.Deny},
		{p, "unknown.example.com", policy.Ask},
		{p, "169.254.169.254:80", policy.Deny},
		{p, "127.0.0.1:11434", policy.Allow},
		{p, "[::1]:11434", policy.Allow},
		{p, "host.docker.internal:11434", policy.Allow},
		{p, "inference.local:80", policy.Allow},
		{closed, "127.0.0.1:11434", policy.Deny},
		{policy.Open(), "unknown.example.com", policy.Allow},
	} {
		r, err := request(c.to, "")
		if err != nil {
			t.Fatal(err)
		}
		if v := c.p.Judge(r, ownAddresses()); v.Action != c.want || v.Why == "" {
			t.Errorf("%s: %s (%s), want %s", c.to, v.Action, v.Why, c.want)
		}
	}
	for _, bad := range []string{"", "a b", "api.github.com:0", "api.github.com:65536", "api.github.com:x", "-", "0x7f.1"} {
		if _, err := request(bad, ""); err == nil {
			t.Errorf("%q was taken for a destination", bad)
		}
	}
}
