package policy

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// What servers could read in two ways is refused; what is left has one
// spelling.
func TestParsePath(t *testing.T) {
	for _, c := range []struct{ target, want string }{
		{"/", "/"}, {"/a/b", "/a/b"}, {"/a/", "/a/"}, {"/a?b=c/../d", "/a"}, {"/%61%2D", "/a-"}, {"/a%20b", "/a%20b"},
		{"/caf%C3%A9", "/caf%C3%A9"}, {"/100%25", "/100%25"}, {"/@types%2fnode", "/@types%2Fnode"}, {"/a//b", "/a//b"}, {"/a;x=1", "/a;x=1"},
		{"/v1/{id}", "/v1/%7Bid%7D"}, {"/.well-known/x", "/.well-known/x"}, {"/...x", "/...x"}, {"/A", "/A"}, {"/a?x=%00", "/a"},

		{"", ""}, {"*", ""}, {"a", ""}, {"http://a.org/", ""}, {"/a/../b", ""}, {"/a/..", ""}, {"/./a", ""}, {"/%2e%2e/a", ""}, {"/.%2E/a", ""},
		{"/a%2f..%2fb", ""}, {"/a/..%2f", ""}, {"/a/..;/b", ""}, {"/a/..;x=y/b", ""}, {"/%2e;/b", ""}, {"/a/.. /b", ""}, {"/a/..%20/b", ""}, {"/...", ""},
		{`/a\..\b`, ""}, {"/a%5Cb", ""}, {"/a%00", ""}, {"/a%0d%0ab", ""}, {"/a%7f", ""}, {"/%252e%252e/a", ""}, {"/%25%32%65", ""}, {"/a%2", ""}, {"/a%zz", ""},
		{"/a%u002e", ""}, {"/%c0%ae%c0%ae/a", ""}, {"/%c0%af", ""}, {"/%ff", ""}, {"/%EF%BC%8F", ""}, {"/%EF%BC%8E%EF%BC%8E/a", ""}, {"/a#b", ""}, {"/a?b#c", ""},
		{"/a b", ""}, {"/a\tb", ""}, {"/a\x00b", ""}, {"/caf\xc3\xa9", ""}, {"/" + strings.Repeat("a", maxPath), ""},
	} {
		p, err := ParsePath(c.target)
		if (err == nil) != (c.want != "") || p.String() != c.want {
			t.Errorf("%q: %q, %v; want %q", c.target, p, err, c.want)
		}
	}
}

func TestPathPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/", "/", true}, {"/", "/a", false}, {"/a", "/a", true}, {"/a", "/a/", false}, {"/a", "/A", false}, {"/a/", "/a/", true}, {"/a", "/%61", true},
		{"/repos/*/issues", "/repos/a/issues", true}, {"/repos/*/issues", "/repos/a/b/c/issues", false}, {"/repos/*/issues", "/repos//issues", false},
		{"/*", "/", false}, {"/*", "/a", true}, {"/*", "/a/b", false}, {"/*", "/a%2Fb", false}, {"/**", "/a%2Fb", true}, {"/a/*", "/a/b%2Fc", false},
		{"/**", "/", true}, {"/**", "/a/b/c", true}, {"/repos/**", "/repos", true}, {"/repos/**", "/repos/", true}, {"/repos/**", "/repos/a/b", true}, {"/repos/**", "/reposx", false},
		{"/**/info/refs", "/o/r.git/info/refs", true}, {"/**/info/refs", "/info/refs", true}, {"/**/info/refs", "/info/refs/x", false}, {"/a/**/b/**/c", "/a/x/b/b/y/c", true},
		{"/a/**/b/**/c", "/a/x/c", false}, {"/**/a/*/b", "/a/a/a/b/x/b", false}, {"/**/a/*/b", "/a/a/a/b/a/x/b", true},
		{"/a;x", "", false}, {"/a", "/a;x=1", false}, {"/a/**", "/a;x=1", false}, {"/**", "/a;x=1", true}, {"/a/*", "/a//b", false}, {"/a/**", "/a//b", true},
		{"/%2A", "/*", true}, {"/%2A", "/a", false},
	} {
		p, err := parsePathPattern(c.pattern)
		if c.path == "" {
			if err == nil {
				t.Errorf("%q is a pattern", c.pattern)
			}
			continue
		}
		path, bad := ParsePath(c.path)
		if err != nil || bad != nil {
			t.Errorf("%q, %q: %v, %v", c.pattern, c.path, err, bad)
			continue
		}
		if p.matches(path) != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.path, !c.want)
		}
	}
	var zero Path
	if p, _ := parsePathPattern("/**"); p.matches(zero) {
		t.Error("no path at all is matched")
	}
}

// FuzzPath holds the canonical form to its laws: it is its own canonical form,
// with the same meaning; it is what Go's server, and after it the upstream, make
// of the target; and no reading of it climbs.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b?c", "/%61;x=/..", "/a%2f%2e%2e", "//a", "/a/%E2%80%A5", "/@types%2fnode", "/a%25b", "/{a}|^", "/%2f\""} {
		f.Add(s, "/**")
		f.Add(s, "/*/b")
	}
	f.Fuzz(func(t *testing.T, target, pattern string) {
		p, err := ParsePath(target)
		if err != nil {
			if p.String() != "" || p.plain != nil {
				t.Fatalf("a path with an error: %+v", p)
			}
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || again.String() != p.String() || !slices.Equal(again.plain, p.plain) || !slices.Equal(again.loose, p.loose) {
			t.Fatalf("%q: %+v, then %+v, %v", target, p, again, err)
		}
		for _, part := range append(slices.Clone(p.plain), p.loose...) {
			if isDots(part) || strings.ContainsAny(part, "\\\x00") {
				t.Fatalf("%q has the part %q", target, part)
			}
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return // Go's server answers 400
		}
		raw, _, _ := strings.Cut(target, "?")
		if whole := strings.Join(p.plain, "/"); "/"+whole != u.Path {
			t.Fatalf("%q is %q for Go, %q here", raw, u.Path, whole)
		}
		if u.EscapedPath() != raw { // then the gate sends the canonical form
			u.RawPath = p.String()
		}
		sent, err := ParsePath(u.EscapedPath())
		if err != nil || sent.String() != p.String() {
			t.Fatalf("%q is sent as %q: %+v, %v", target, u.EscapedPath(), sent, err)
		}
		if q, err := parsePathPattern(pattern); err == nil {
			if q.matches(p) != q.matches(again) || q.matches(p) && !plainFits(q.parts, p.plain) {
				t.Fatalf("%q and %q disagree", pattern, target)
			}
			if twice, err := parsePathPattern(q.text); err != nil || twice.text != q.text || twice.matches(p) != q.matches(p) {
				t.Fatalf("%q is %q: %v", pattern, q.text, err)
			}
		}
	})
}

// plainFits is the meaning of a pattern, without any cleverness.
func plainFits(pattern []patternPart, path []string) bool {
	if len(pattern) > 6 || len(path) > 12 {
		return true // too slow to try
	}
	if len(pattern) == 0 {
		return len(path) == 0
	}
	if pattern[0].stars == 2 {
		for i := range len(path) + 1 {
			if plainFits(pattern[1:], path[i:]) {
				return true
			}
		}
		return false
	}
	return len(path) > 0 && pattern[0].takes(path[0]) && plainFits(pattern[1:], path[1:])
}
