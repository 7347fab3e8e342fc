package policy

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestParseDestination(t *testing.T) {
	for text, want := range map[string]struct {
		host string
		port Port
	}{
		"api.github.com":        {"api.github.com", 0},
		"api.github.com:443":    {"api.github.com", 443},
		"**.example.com:80":     {"**.example.com", 80},
		"10.0.0.0/8":            {"10.0.0.0/8", 0},
		"10.0.0.0/8:5432":       {"10.0.0.0/8", 5432},
		"2001:db8::7":           {"2001:db8::7", 0},
		"2001:db8::/32":         {"2001:db8::/32", 0},
		"[2001:db8::7]":         {"2001:db8::7", 0},
		"[2001:db8::7]:443":     {"2001:db8::7", 443},
		"[2001:db8::/32]:443":   {"2001:db8::/32", 443},
		"https://example.com":   {"https://example.com", 0},
		"https://example.com:1": {"https://example.com:1", 0},
	} {
		host, port, err := ParseDestination(text)
		if err != nil || host != want.host || port != want.port {
			t.Errorf("%q: %q, %d, %v", text, host, port, err)
		}
	}
	for _, bad := range []string{"a.org:", "a.org:0", "a.org:x", "[2001:db8::7]:65536", "a.org:443/x"} {
		if host, port, err := ParseDestination(bad); err == nil || host != "" || port != 0 {
			t.Errorf("%q: %q, %d, %v", bad, host, port, err)
		}
	}
}

func TestList(t *testing.T) {
	p := mustParse(t, "egress:\n  - {host: A.org, ports: [80, 443], binaries: [/usr/bin/git], note: why}\n"+
		"  - {host: b.org, port: 443, addresses: [10.0.0.7, 10.1.0.0/16], expires: 2027-01-01T00:00:00Z}\ndeny:\n  - {host: \"2001:db8::7\"}\n")
	var got []string
	for _, r := range p.List() {
		got = append(got, r.String())
	}
	want := []string{
		"deny [2001:db8::7], every port",
		"allow a.org:80,443 for /usr/bin/git (why)",
		"allow b.org:443, at 10.0.0.7, 10.1.0.0/16, until 2027-01-01T00:00:00Z",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q; want %q", got[i], want[i])
		}
	}
	if p.Unlisted() != Ask || p.Off() || !Open().Off() || (*Policy)(nil).Unlisted() != Deny || len((*Policy)(nil).List()) != 0 {
		t.Error("unlisted, off or nothing at all")
	}
}

// A program in an entry is held to what the file may say: else the edit would
// fail for a reason that nobody could guess.
func TestEntryPrograms(t *testing.T) {
	for _, exe := range []string{"git", "/", "/usr/../git", "/usr/bin/g\nit"} {
		_, err := AddRule([]byte(article), Entry{Host: "a.org", Port: 443, Binaries: []string{exe}})
		if bad := new(BadProgram); !errors.As(err, &bad) || bad.Hint() == "" {
			t.Errorf("%q: %v", exe, err)
		}
	}
	text, err := AddRule([]byte(article), Entry{Host: "a.org", Port: 443, Binaries: []string{"/usr/bin/git"}, Expires: noon.Add(time.Hour), Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}})
	if err != nil || mustParse(t, string(text)).Decide(Request{Host: "a.org", Port: 443, Time: noon, Program: Program{Exe: "/usr/bin/git", Known: true}}).Action != Allow {
		t.Errorf("%v\n%s", err, text)
	}
}
