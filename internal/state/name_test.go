package state

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for _, s := range []string{"a", "my-assistant", "demo2", "a--b", strings.Repeat("a", MaxName)} {
		if got, err := ParseName(s); err != nil || string(got) != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	for s, suggestion := range map[string]string{
		"":                      "my-assistant",
		"2fast":                 "fast",
		"-x":                    "x",
		"x-":                    "x",
		"My Assistant":          "my-assistant",
		"a/b":                   "a-b",
		"../../etc":             "etc",
		"a\nb":                  "a-b",
		"été":                   "t",
		"42":                    "my-assistant",
		"start":                 "my-start",
		"blueprints":            "my-blueprints",
		"Secrets":               "my-secrets",
		strings.Repeat("a", 41): strings.Repeat("a", 40),
		".new-1":                "new-1",
	} {
		got, err := ParseName(s)
		var bad *BadName
		if !errors.As(err, &bad) || got != "" {
			t.Errorf("%q was taken: %v", s, err)
			continue
		}
		if bad.Hint() != "try "+suggestion {
			t.Errorf("%q: hint %q, want %q", s, bad.Hint(), suggestion)
		}
	}
}

func TestFree(t *testing.T) {
	h := newHome(t)
	long := Name(strings.Repeat("a", MaxName))
	for _, n := range []Name{"demo", "demo-2", long} {
		create(t, h, n)
	}
	for n, want := range map[Name]Name{"other": "other", "demo": "demo-3", long: long[:MaxName-2] + "-2"} {
		if got := h.Free(n); got != want {
			t.Errorf("Free(%q) = %q, want %q", n, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"", "demo", "..", "a/b", "run", "Run", "RUN-", "9", "é", strings.Repeat("run", 20)} {
		f.Add(s)
	}
	home := Home{"/home/me/.nemoclaw"}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err == nil {
			// Law: a name is one folder directly in the home, and none of its own.
			dir := home.Sandbox(n).Dir()
			if filepath.Dir(dir) != home.Dir || filepath.Base(dir) != s {
				t.Errorf("%q lies at %q", s, dir)
			}
			for _, taken := range []string{home.Blueprints(), home.Secrets(), home.Anchors()} {
				if dir == taken {
					t.Errorf("%q takes %q", s, taken)
				}
			}
			return
		}
		// Law: what is suggested would do.
		var bad *BadName
		if !errors.As(err, &bad) {
			t.Fatal(err)
		}
		if _, err := ParseName(bad.Suggestion()); err != nil {
			t.Errorf("for %q it suggests: %v", s, err)
		}
	})
}
