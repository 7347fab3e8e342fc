package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// A skip fails the run unless it was expected; so does a package that does not
// build, and a run without a test.
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		events []event
		code   int
		last   string
	}{
		"all well":       {[]event{{Action: "pass", Package: "p", Test: "A"}, {Action: "pass", Package: "p"}}, 0, "1 passed, 0 failed, 0 skipped"},
		"a failure":      {[]event{{Action: "fail", Package: "p", Test: "A"}, {Action: "pass", Package: "p", Test: "B"}}, 1, "1 passed, 1 failed, 0 skipped"},
		"does not build": {[]event{{Action: "pass", Package: "p", Test: "A"}, {Action: "fail", Package: "q"}}, 1, "1 passed, 1 failed, 0 skipped"},
		"expected skip":  {[]event{{Action: "pass", Package: "p", Test: "A"}, {Action: "output", Package: "p", Test: "B", Output: "needs the moon\n"}, {Action: "skip", Package: "p", Test: "B"}}, 0, "1 passed, 0 failed, 1 skipped"},
		"strange skip":   {[]event{{Action: "pass", Package: "p", Test: "A"}, {Action: "output", Package: "p", Test: "B", Output: "not today\n"}, {Action: "skip", Package: "p", Test: "B"}}, 1, "1 passed, 1 failed, 1 skipped"},
		"nothing ran":    {[]event{{Action: "skip", Package: "p"}}, 1, "0 passed, 0 failed, 0 skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			r := &run{out: &out, said: map[key][]string{}, expected: []*regexp.Regexp{regexp.MustCompile("needs the moon")}}
			for _, e := range c.events {
				b, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				var back event
				if err := json.Unmarshal(b, &back); err != nil {
					t.Fatal(err)
				}
				r.take(back)
			}
			if code := r.end(); code != c.code || !strings.HasSuffix(strings.TrimSpace(out.String()), c.last) {
				t.Errorf("code %d, %q; want %d, %q", code, out.String(), c.code, c.last)
			}
		})
	}
}
