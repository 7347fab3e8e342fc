package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What is added by hand is what the file would say.
func TestNarrow(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	e := Entry{Host: "api.github.com", Port: 443}
	if err := e.Narrow([]string{"GET"}, []string{"/repos/**"}, "github:basic"); err != nil {
		t.Fatal(err)
	}
	text, err := AddRule([]byte("egress: []\n"), e)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("x", text)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Host: "api.github.com", Port: 443, Time: now}
	for method, want := range map[string]Action{"GET": Allow, "POST": Deny} {
		path, err := ParsePath("/repos/a")
		if err != nil {
			t.Fatal(err)
		}
		v, cred := p.DecideHTTP(r, method, path)
		if v.Action != want {
			t.Errorf("%s: %v", method, v)
		}
		if want == Allow && (cred != Credential{Secret: "github", As: Basic}) {
			t.Errorf("%s: %v", method, cred)
		}
	}
}

func TestNarrowRefuses(t *testing.T) {
	for what, row := range map[string]struct {
		host           string
		methods, paths []string
		cred, why      string
	}{
		"a method":        {"a.example.com", []string{"get"}, nil, "", "get"},
		"a path":          {"a.example.com", nil, []string{"/a/../b"}, "", "dot segment"},
		"a secret":        {"a.example.com", nil, nil, "Not A Name", "Not A Name"},
		"a form":          {"a.example.com", nil, nil, "github:loud", "loud"},
		"a wildcard's":    {"*.example.com", nil, nil, "github", "wildcard"},
		"an address's":    {"10.0.0.0/8", nil, []string{"/a"}, "", "address"},
		"YAML in a path":  {"a.example.com", nil, []string{`/a"]}], expires: x`}, "", ""},
		"YAML in a name":  {`a.example.com", port: 1, x: "`, nil, nil, "", ""},
		"a line's break":  {"a.example.com", nil, []string{"/a\n/b"}, "", ""},
		"YAML, as a name": {"a.example.com", nil, nil, `x", as: "basic`, ""},
	} {
		e := Entry{Host: row.host, Port: 443}
		err := e.Narrow(row.methods, row.paths, row.cred)
		if bad := (*BadNarrowing)(nil); !errors.As(err, &bad) || !strings.Contains(bad.Why, row.why) {
			t.Errorf("%s: %v", what, err)
		}
		if e.http != nil || !e.cred.isZero() {
			t.Errorf("%s: it is narrowed all the same", what)
		}
	}
}
