package policy

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAddRuleToArticle(t *testing.T) {
	got, err := AddRule([]byte(article), Entry{Host: "Suspicious-Host.com", Port: 443, Note: "approved at 11:42"})
	if err != nil {
		t.Fatal(err)
	}
	want := article + `- host: "suspicious-host.com"
  port: 443
  note: "approved at 11:42"
`
	if string(got) != want {
		t.Errorf("%s", got)
	}
	got, err = AddDeny(got, Entry{Host: "evil.example.com", Port: 443})
	if err != nil {
		t.Fatal(err)
	}
	if want += "deny:\n  - host: \"evil.example.com\"\n    port: 443\n"; string(got) != want {
		t.Errorf("%s", got)
	}
}

// layouts are files as people write them. Every # in them begins a comment.
var layouts = map[string]string{
	"article":     article,
	"crlf":        strings.ReplaceAll(article, "\n", "\r\n"),
	"mark":        byteOrderMark + article,
	"no newline":  strings.TrimSuffix(article, "\n"),
	"everything":  everything,
	"empty list":  "# head\negress: [] # none yet\n# foot\n",
	"empty value": "# head\negress: # none yet\n# below\nunlisted: deny # strict\n",
	"null":        "egress: ~ # none\n",
	"no egress":   "# head\nunlisted: ask # really\n# foot\n",
	"deny alone":  "deny: # bad ones\n  # first\n  - host: evil.example.com # all ports\n",
	"indented":    "egress:\n    # one\n    -   host: a.org # a\n        port: 443\n        # more on a\n\n    # two\n    -   host: b.org\n        port: 443\n\n# about deny\ndeny:\n    - host: c.org\n",
	"flow items":  "egress:\n  # one\n  - {host: a.org, port: 443} # a\n  - {host: \"b.org\", ports: [80, 443], note: \"it's, [b] {c}\"}\nunlisted: ask\n",
	"flow list":   "egress: [{host: a.org, port: 443}, {host: b.org, port: 443}] # both\nhold: 2s\n",
	"flow lines":  "egress: [\n  {host: a.org, port: 443}, # a\n  # then\n  {host: b.org, port: 443}, # b\n  # end\n]\n",
	"flow commas": "egress: [{host: a.org, port: 443},{host: b.org, port: 443},]\n",
	"all flow":    "{egress: [{host: a.org, port: 443}], unlisted: ask} # json-like\n",
	"json":        `{"egress":[{"host":"a.org","port":443}],"deny":[]}`,
	"dash alone":  "egress:\n  -\n    host: a.org\n    port: 443\n  -\n    # b\n    host: b.org\n    port: 443\n",
	"long text":   "egress:\n  - host: a.org\n    port: 443\n    note: a text\n      that goes on\n      and on\n  # last\n  - host: b.org\n    port: 443\n    note: \"also\n      here\"\n",
	"document":    "%YAML 1.1\n---\n# head\negress:\n  - {host: a.org, port: 443}\n...\n",
	"ports":       "egress:\n  - host: a.org\n    ports:\n      # web\n      - 80\n      - 443 # tls\n    binaries:\n      - /usr/bin/curl\n",
	"commented":   "egress:\n  - host: a.org\n    port: 443\n  # - host: old.org\n  #   port: 443\n\n\n# the end\n",
	"quoted keys": "\"egress\":\n  - \"host\": \"a.org\"\n    'port': 443\n",
	"deny first":  "deny:\n- host: c.org\n\negress:\n- host: a.org\n  port: 443\n\n\nhold: 1s\n",
	"umlaut":      "egress:\n  - {note: \"für ä\", host: a.org, port: 443} # schön\n",
}

var commentText = regexp.MustCompile(`#[^\n\r]*`)

func comments(text []byte) []string {
	found := commentText.FindAllString(string(text), -1)
	slices.Sort(found)
	return found
}

// TestEditsKeepTheRest is the property: whatever the layout, an edit changes
// what the file says by the rule and nothing else, and every comment survives.
func TestEditsKeepTheRest(t *testing.T) {
	entries := []Entry{
		{Host: "new.example.org", Port: 443},
		{Host: "*.wild.example.org", Port: 8443, Note: `say "hi": [x], {y}`},
		{Host: "lan.example.org", Port: 443, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("fd00::/64")}},
		{Host: "10.0.0.0/8", Port: 5432, Expires: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), Binaries: []string{"/usr/bin/psql"}},
		{Host: "2001:db8::1", Port: 22},
		{Host: "odd.example.org", Port: 1, Note: "for /tmp/\x1b[31m\xff\u202e\u00a0\n- host: \"evil.org\" " + strings.Repeat("x", 5000)},
	}
	for name, text := range layouts {
		for _, e := range entries {
			t.Run(name+"/"+e.Host, func(t *testing.T) { checkEdits(t, []byte(text), e) })
		}
	}
}

func checkEdits(t *testing.T, data []byte, e Entry) {
	before := mustParse(t, string(data))
	for _, action := range []Action{Allow, Deny} {
		added, err := addRule(data, action, e)
		if err != nil {
			t.Fatal(err)
		}
		after := mustParse(t, string(added))
		rule, _ := e.rule(action)
		if !after.same(before.with(rule)) || after.unlisted != before.unlisted {
			t.Fatalf("it says something else:\n%s", added)
		}
		if !slices.Equal(comments(data), comments(added)) {
			t.Fatalf("comments changed:\n%s", added)
		}
		if again, err := addRule(added, action, e); err != nil || string(again) != string(added) {
			t.Fatalf("added twice: %v\n%s", err, again)
		}
		removed, err := removeRule(added, action, e)
		if err != nil {
			t.Fatal(err)
		}
		if !mustParse(t, string(removed)).same(before) || !slices.Equal(comments(data), comments(removed)) {
			t.Fatalf("removed more, or less:\n%s", removed)
		}
	}
}

// TestRemoveEach takes every rule out of every layout, one after another, in
// any order.
func TestRemoveEach(t *testing.T) {
	for name, text := range layouts {
		for seed := range uint64(5) {
			t.Run(name, func(t *testing.T) { removeAll(t, []byte(text), rand.New(rand.NewPCG(seed, 2))) })
		}
	}
}

func removeAll(t *testing.T, data []byte, random *rand.Rand) {
	for {
		p := mustParse(t, string(data))
		if p.Rules() == 0 {
			return
		}
		rules := append(slices.Clone(p.egress), p.deny...)
		r := rules[random.IntN(len(rules))]
		next, err := removeRule(data, r.action, Entry{Host: r.host.text})
		if err != nil {
			t.Fatalf("%s: %v\n%s", r.text, err, data)
		}
		after := mustParse(t, string(next))
		if after.Rules() != p.Rules()-1 || after.unlisted != p.unlisted {
			t.Fatalf("%s:\n%s\n%s", r.text, data, next)
		}
		data = next
	}
}

func TestAddressIsAddedToTheRule(t *testing.T) {
	for _, text := range []string{
		"egress:\n  - host: a.org # a\n    port: 443\n    # more\n  - {host: b.org, port: 443}\n",
		"egress:\n  - {host: a.org, port: 443} # a\n",
		"egress:\n  - {host: a.org, port: 443, addresses: [10.0.0.1]} # a\n",
		"egress:\n  - host: a.org\n    port: 443\n    addresses: [10.0.0.1] # one\n    note: x\n",
	} {
		got, err := AddRule([]byte(text), Entry{Host: "a.org", Port: 443, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")}})
		if err != nil {
			t.Fatal(err)
		}
		p := mustParse(t, string(got))
		v := p.DecideAddr(Request{Host: "a.org", Port: 443}, netip.MustParseAddr("10.0.0.2"), nil)
		if v.Action != Allow || !slices.Equal(comments([]byte(text)), comments(got)) {
			t.Errorf("%s:\n%s", v, got)
		}
	}
}

func TestFieldsAreAddedToTheirRule(t *testing.T) {
	text := "egress:\n  - host: a.org # a\n    port: 443\n    # more on a\n\n  # b\n  - host: b.org\n    port: 443\n"
	got, err := AddRule([]byte(text), Entry{Host: "a.org", Port: 443, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")}})
	want := strings.Replace(text, "port: 443\n", "port: 443\n    addresses: [\"10.0.0.2/32\"]\n", 1)
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestExpiryIsRenewed(t *testing.T) {
	text := []byte("egress:\n  - host: a.org\n    port: 443\n    expires: 2020-01-01T00:00:00Z # soon\n    note: x\n")
	later := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, e := range []Entry{{Host: "a.org", Port: 443}, {Host: "a.org", Port: 443, Expires: later}} {
		got, err := AddRule(text, e)
		if err != nil {
			t.Fatal(err)
		}
		if p := mustParse(t, string(got)); p.Rules() != 1 || !p.egress[0].expires.Equal(e.Expires) || p.egress[0].note != "x" {
			t.Errorf("%s", got)
		}
	}
}

// TestEditsDoNotOpen: an edit of a policy that denies everything without asking
// must not begin to ask, and the last rule does not take the questions with it.
func TestEditsDoNotOpen(t *testing.T) {
	other := Request{Host: "other.org", Port: 443}
	added, err := AddRule([]byte("egress: []\n"), Entry{Host: "a.org", Port: 443})
	if err != nil {
		t.Fatal(err)
	}
	if v := mustParse(t, string(added)).Decide(other); v.Action != Deny {
		t.Errorf("%s\n%s", v, added)
	}
	removed, err := RemoveRule([]byte("egress: [{host: a.org, port: 443}]\n"), Entry{Host: "a.org"})
	if err != nil {
		t.Fatal(err)
	}
	if v := mustParse(t, string(removed)).Decide(other); v.Action != Ask {
		t.Errorf("%s\n%s", v, removed)
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	ports := []byte("egress:\n  - {host: a.org, ports: [80, 443]}\n")
	for name, edit := range map[string]func() ([]byte, error){
		"broken file":   func() ([]byte, error) { return AddRule([]byte("egres: []\n"), Entry{Host: "a.org", Port: 443}) },
		"bad host":      func() ([]byte, error) { return AddRule([]byte(article), Entry{Host: "*.com", Port: 443}) },
		"no port":       func() ([]byte, error) { return AddRule([]byte(article), Entry{Host: "a.org"}) },
		"not there":     func() ([]byte, error) { return RemoveRule([]byte(article), Entry{Host: "a.org"}) },
		"other port":    func() ([]byte, error) { return RemoveRule([]byte(article), Entry{Host: "api.github.com", Port: 80}) },
		"one of many":   func() ([]byte, error) { return RemoveRule(ports, Entry{Host: "a.org", Port: 80}) },
		"not denied":    func() ([]byte, error) { return RemoveDeny(ports, Entry{Host: "a.org"}) },
		"public suffix": func() ([]byte, error) { return AddDeny([]byte(article), Entry{Host: "**.co.uk"}) },
	} {
		got, err := edit()
		if got != nil || err == nil {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
		var cannot *CannotEdit
		if errors.As(err, &cannot) && cannot.Hint() == "" {
			t.Errorf("%s: no hint", name)
		}
	}
}

// TestRemoveSaysWhatThereIs: who wants to take out a rule that is a denial is
// told how.
func TestRemoveSaysWhatThereIs(t *testing.T) {
	_, err := RemoveRule([]byte("deny:\n  - host: a.org\n"), Entry{Host: "A.org"})
	var cannot *CannotEdit
	if !errors.As(err, &cannot) || !strings.Contains(cannot.Hint(), "remove --deny A.org") || !strings.Contains(cannot.Hint(), "line 2") {
		t.Errorf("%v: %s", err, cannot.Hint())
	}
}

// TestExpiryOfOtherPorts: to let one port of a rule live longer must not do so
// for the others.
func TestExpiryOfOtherPorts(t *testing.T) {
	text := []byte("egress:\n  - {host: a.org, ports: [80, 443], expires: 2020-01-01T00:00:00Z}\n")
	got, err := AddRule(text, Entry{Host: "a.org", Port: 443})
	var cannot *CannotEdit
	if !errors.As(err, &cannot) || got != nil {
		t.Errorf("%v\n%s", err, got)
	}
	endless := []byte("egress:\n  - {host: a.org, ports: [80, 443]}\n")
	if got, err := AddRule(endless, Entry{Host: "a.org", Port: 443, Expires: noon}); err != nil || string(got) != string(endless) {
		t.Errorf("%v\n%s", err, got)
	}
}
