package policy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParseHost(t *testing.T) {
	for text, want := range map[string]Host{
		"api.github.com":        "api.github.com",
		"API.GitHub.COM.":       "api.github.com",
		"localhost":             "localhost",
		"_dmarc.example.org":    "_dmarc.example.org",
		"XN--MNCHEN-3YA.de":     "xn--mnchen-3ya.de",
		"1password.com":         "1password.com",
		"0x.example":            "0x.example",
		strings.Repeat("a", 63): Host(strings.Repeat("a", 63)),
	} {
		if got, err := ParseHost(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// TestParseHostRefuses: every trick that makes two programs read one text as
// two hosts.
func TestParseHostRefuses(t *testing.T) {
	for _, text := range []string{
		"", ".", "..", "a..b", ".a", "a.org..", "a b.org", "a\tb.org", "a\x00b.org", "a\r\nb.org", "a%00b.org",
		"a.org:443", "user@a.org", "a.org#b.org", `a.org\b.org`, "a.org/b", "a.org?b", "https://a.org",
		"-a.org", "a-.org", "ａ.org", "a。org", "аpple.com", "xn--\xff.com", "xn--999999999.com",
		"127.0.0.1", "2130706433", "0x7f.1", "017700000001", "127.1", "0x7f000001", "1.2.3.4.5", "1.2.3.256", "a.1", "a.0x1",
		"::1", "[::1]", "::ffff:127.0.0.1", "fe80::1%eth0", "*", "*.a.org", "a.org,b.org", "a;b.org", "a'b.org",
		strings.Repeat("a", 64) + ".org", strings.Repeat("a.", 127) + "org",
	} {
		host, err := ParseHost(text)
		var bad *BadHost
		if host != "" || !errors.As(err, &bad) || bad.Why == "" || bad.Hint() == "" {
			t.Errorf("%q: %q, %v", text, host, err)
		}
	}
}

func TestPlainFormIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"2130706433": `"127.0.0.1"`, "0x7f.1": `"127.0.0.1"`, "017700000001": `"127.0.0.1"`, "127.1": `"127.0.0.1"`,
		"0xa9fea9fe": `"169.254.169.254"`, "[::ffff:10.0.0.1]": `"10.0.0.1"`,
		"api.github。com": `"api.github.com"`, "münchen.example": `"xn--mnchen-3ya.example"`, "user@evil.com": `"evil.com"`,
	} {
		_, err := ParseHost(text)
		var bad *BadHost
		if !errors.As(err, &bad) || !strings.HasPrefix(bad.Hint(), want) {
			t.Errorf("%q: %v → %s", text, err, bad.Hint())
		}
	}
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]netip.Addr{
		"a.org": {}, "10.0.0.1": netip.MustParseAddr("10.0.0.1"), "[::1]": netip.IPv6Loopback(), "fd00::1": netip.MustParseAddr("fd00::1"),
	} {
		host, addr, err := ParseTarget(text)
		if err != nil || addr != want || (host != "") == addr.IsValid() {
			t.Errorf("%q: %q, %s, %v", text, host, addr, err)
		}
	}
	for _, text := range []string{"fe80::1%eth0", "[a.org]", "[10.0.0.1]", "0x7f.1", ""} {
		if host, addr, err := ParseTarget(text); err == nil {
			t.Errorf("%q: %q, %s", text, host, addr)
		}
	}
}

func TestParsePort(t *testing.T) {
	for text, want := range map[string]Port{"1": 1, "443": 443, "65535": 65535} {
		if got, err := ParsePort(text); got != want || err != nil {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "65536", "-1", "+1", "01", " 1", "1 ", "http", "1e3", "99999999999999999999"} {
		if got, err := ParsePort(text); got != 0 || err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestUnicode(t *testing.T) {
	if shown, ok := Host("xn--mnchen-3ya.example").Unicode(); !ok || shown != "münchen.example" {
		t.Errorf("%q %v", shown, ok)
	}
	if shown, ok := Host("plain.example").Unicode(); ok || shown != "plain.example" {
		t.Errorf("%q %v", shown, ok)
	}
}
