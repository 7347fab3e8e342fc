package policy

import (
	"strings"
	"testing"
)

func TestExpectations(t *testing.T) {
	p := mustParse(t, rules)
	cases, err := ParseExpectations("cases.yaml", []byte(`
- {host: API.github.com., expect: allow}
- {host: api.github.com, port: 80, expect: ask}
- {host: git.example.org, program: /usr/bin/git, expect: allow}
- {host: git.example.org, expect: ask, note: "which program is not known"}
- {host: old.example.org, at: 2025-01-01T00:00:00Z, expect: allow}
- {host: old.example.org, expect: ask}
- {host: 203.0.113.9, port: 22, expect: allow}
- {host: 203.0.113.66, port: 22, expect: deny}
- {host: lan.example.org, address: 10.2.3.4, expect: allow}
- {host: lan.example.org, address: 192.168.2.3, expect: ask}
- {host: lan.example.org, address: 169.254.169.254, expect: deny}
- {host: 127.0.0.1, port: 11434, expect: allow}
- {host: inference.local, port: 8080, expect: deny}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if v := c.Judge(p, noon, nil); v.Action != c.Want || v.Why == "" {
			t.Errorf("line %d: %s", c.Line, v)
		}
	}
	if len(cases) != 13 || cases[0].Line != 2 || cases[3].Note == "" {
		t.Errorf("%+v", cases)
	}
}

func TestExpectationsOfRequests(t *testing.T) {
	p := mustParse(t, readRules)
	cases, err := ParseExpectations("cases.yaml", []byte(`
- {host: api.example.org, method: GET, path: /repos/a, expect: allow}
- {host: api.example.org, method: GET, path: /user, expect: deny}
- {host: api.example.org, method: GET, path: /user, program: /usr/bin/git, expect: allow}
- {host: api.example.org, expect: allow, note: "the connection"}
- {host: plain.example.org, method: GET, path: /x, expect: allow}
- {host: other.org, method: GET, path: /x, expect: ask}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if v := c.Judge(p, noon, nil); v.Action != c.Want || v.Why == "" {
			t.Errorf("line %d: %s", c.Line, v)
		}
	}
}

func TestExpectationsWithProblems(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "an empty file",
		"[]":                                    "a table without a case",
		"cases: []":                             "a list of cases",
		"- {host: a.org}":                       "without expect",
		"- {expect: allow}":                     "without host",
		"- {hots: a.org, expect: allow}":        `did you mean "host"?`,
		"- {host: a.org, expect: maybe}":        "allow or deny or ask",
		"- {host: \"*.a.org\", expect: ask}":    `host "*.a.org"`,
		"- {host: a.org, port: 0, expect: ask}": "a port, 1 to 65535",
		"- {host: a.org, program: git, expect: ask}":           "an absolute path",
		"- {host: a.org, method: GET, expect: ask}":            "one of method and path",
		"- {host: a.org, method: get, path: /, expect: ask}":   "a method such as GET",
		"- {host: a.org, method: GET, path: /.., expect: ask}": "the dot segment",
		"- {host: a.org, address: lan.example, expect: ask}":   "an address such as",
		"- {host: a.org, at: tomorrow, expect: ask}\n- {x: 1}": "a moment such as",
	} {
		cases, err := ParseExpectations("cases.yaml", []byte(text))
		if err == nil || cases != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
