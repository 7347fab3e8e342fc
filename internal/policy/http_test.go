package policy

import (
	"slices"
	"strings"
	"testing"
)

const readRules = `
egress:
  - host: api.example.org
    port: 443
    http:
      - methods: [GET, HEAD]
        paths: ["/repos/**"]
      - {methods: ["*"], paths: ["/mine/*"]}
    credential: github
  - host: api.example.org
    port: 443
    binaries: [/usr/bin/git]
  - {host: "*.files.example.org", port: 443, http: [{methods: [GET], paths: ["/**"]}]}
  - {host: old.example.org, port: 443, http: [{methods: [GET], paths: ["/**"]}], expires: 2020-01-01T00:00:00Z}
  - {host: api.key.org, port: 443, http: [{methods: [POST], paths: ["/x"]}], credential: {secret: key, header: X-Api-Key}}
  - {host: git.example.org, port: 443, http: [{methods: [GET, POST], paths: ["/**"]}], credential: {secret: github, as: basic}}
  - {host: plain.example.org, port: 443}
deny:
  - {host: secret.files.example.org}
unlisted: ask
`

func TestDecideHTTP(t *testing.T) {
	p := mustParse(t, readRules)
	for _, c := range []struct {
		host, exe, method, path string
		want                    Action
		secret, why             string
	}{
		{"api.example.org", "", "GET", "/repos/a/b", Allow, "github", "is listed"},
		{"api.example.org", "", "DELETE", "/mine/x", Allow, "github", "is listed"},
		{"api.example.org", "", "POST", "/repos/a/b", Deny, "", "the rule in line 3 allows only GET, HEAD /repos/**; any method /mine/*"},
		{"api.example.org", "", "get", "/repos/a", Deny, "", "not listed"},
		{"api.example.org", "", "OPTIONS", "/repos/a", Deny, "", "not listed"},
		{"api.example.org", "", "TRACE", "/repos/a", Deny, "", "not listed"},
		{"api.example.org", "", "GET", "/user", Deny, "", "GET /user is not listed"},
		{"api.example.org", "/usr/bin/git", "POST", "/user", Allow, "", "is listed"},
		{"api.example.org", "/usr/bin/git", "GET", "/repos/a", Allow, "github", "is listed"},
		{"a.files.example.org", "", "GET", "/", Allow, "", "is listed"},
		{"secret.files.example.org", "", "GET", "/", Deny, "", "is denied"},
		{"old.example.org", "", "GET", "/", Deny, "", "ended at"},
		{"api.key.org", "", "POST", "/x", Allow, "key", ""},
		{"other.example.org", "", "GET", "/", Deny, "", "is not listed"},
	} {
		r := Request{Host: Host(c.host), Port: 443, Time: noon, Program: ProgramAt(c.exe, nil)}
		path, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		v, cred := p.DecideHTTP(r, c.method, path)
		if v.Action != c.want || cred.Secret != c.secret || !strings.Contains(v.Why, c.why) {
			t.Errorf("%s %s %s by %q: %s, %q; want %s, %q, %q", c.method, c.host, c.path, c.exe, v, cred.Secret, c.want, c.secret, c.why)
		}
	}
	for host, want := range map[Host]bool{"api.example.org": true, "a.files.example.org": true, "plain.example.org": false, "other.org": false} {
		r := Request{Host: host, Port: 443, Time: noon}
		if p.Reads(r) != want || p.Decide(r).Reads != want {
			t.Errorf("%s is read: %v", host, !want)
		}
	}
	git := Request{Host: "api.example.org", Port: 443, Time: noon, Program: ProgramAt("/usr/bin/git", nil)}
	if v := p.Decide(git); !v.Reads {
		t.Errorf("the first rule has http, and %s", v)
	}
	if got := p.Credentials(); !slices.Equal(got, []string{"github", "key"}) {
		t.Errorf("it names %v", got)
	}
	var none *Policy
	if v, _ := none.DecideHTTP(git, "GET", Path{}); v.Action != Deny {
		t.Errorf("without a policy: %s", v)
	}
	if v, _ := p.DecideHTTP(Request{Host: "a.files.example.org", Port: 443, Time: noon}, "GET", Path{}); v.Action != Deny {
		t.Errorf("without a path: %s", v)
	}
}

func TestCredentialFields(t *testing.T) {
	for _, c := range []struct {
		text, value, name, want string
	}{
		{"github", "v", "Authorization", "Bearer v"},
		{"{secret: github, as: bearer}", "v", "Authorization", "Bearer v"},
		{"{secret: github, as: token}", "v", "Authorization", "token v"},
		{"{secret: github, as: bot}", "v", "Authorization", "Bot v"},
		{"{secret: github, as: whole}", "Custom v", "Authorization", "Custom v"},
		{"{secret: github, as: basic}", "v", "Authorization", "Basic eC1hY2Nlc3MtdG9rZW46dg=="},
		{"{secret: github, as: basic}", "me:v", "Authorization", "Basic bWU6dg=="},
		{"{secret: github, header: X-Api-Key}", "v", "X-Api-Key", "v"},
	} {
		p := mustParse(t, "egress:\n  - {host: a.org, port: 443, http: [{methods: [GET], paths: [\"/**\"]}], credential: "+c.text+"}\n")
		cred := p.List()[0].Credential
		if name, text := cred.Field(c.value); name != c.name || text != c.want {
			t.Errorf("%s: %s: %s", c.text, name, text)
		}
		if again := mustParse(t, string(p.Format())); again.List()[0].Credential != cred {
			t.Errorf("%s is formatted as %s", c.text, p.Format())
		}
	}
}

// A rule for some requests is no reason against one for all, and the other way
// round; an edit leaves the first as it is.
func TestEditBesideHTTP(t *testing.T) {
	added, err := AddRule([]byte(readRules), Entry{Host: "api.example.org", Port: 443})
	if err != nil {
		t.Fatal(err)
	}
	p, before := mustParse(t, string(added)), mustParse(t, readRules)
	if p.Rules() != before.Rules()+1 || !sameRules(p.egress[:len(before.egress)], before.egress) {
		t.Errorf("it says now:\n%s", added)
	}
	r := Request{Host: "api.example.org", Port: 443, Time: noon}
	path, _ := ParsePath("/user")
	if v, _ := p.DecideHTTP(r, "DELETE", path); v.Action != Allow {
		t.Errorf("added, and %s", v)
	}
	if v := p.Decide(r); !v.Reads {
		t.Errorf("what the first rule says is forgotten: %s", v)
	}
}

func TestCompareHTTP(t *testing.T) {
	const plain = "egress:\n  - {host: a.org, port: 443}\n"
	const get = "egress:\n  - {host: a.org, port: 443, http: [{methods: [GET], paths: [\"/a\"]}]}\n"
	const cred = "egress:\n  - {host: a.org, port: 443, http: [{methods: [GET], paths: [\"/a\"]}], credential: github}\n"
	const post = "egress:\n  - {host: a.org, port: 443, http: [{methods: [POST], paths: [\"/a\"]}]}\n"
	for _, c := range []struct{ older, newer, want string }{
		{get, plain, "+ a.org:443 | partly allowed (line 2)\n"},
		{plain, get, "- a.org:443 | allowed (line 2)\n"},
		{get, cred, "+ a.org:443, only GET /a, with credential github | partly allowed (line 2)\n"},
		{cred, get, ""},
		{get, post, "+ a.org:443, only POST /a | partly allowed (line 2)\n- a.org:443, only GET /a | allowed (line 2)\n"},
		{get, get, ""},
	} {
		if got := told(Compare(mustParse(t, c.older), mustParse(t, c.newer))); got != c.want {
			t.Errorf("%s→\n%s%swant:\n%s", c.older, c.newer, got, c.want)
		}
	}
}
