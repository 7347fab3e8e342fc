package say_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"
	"unicode"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"api.github.com":       "api.github.com",
		"münchen → 東京":         "münchen → 東京",
		"a\x1b]52;c;aGk=\x07b": `a\x1b]52;c;aGk=\ab`,
		"x\u202egpj.exe":       `x\u202egpj.exe`,
		"zero\u200bwidth":      `zero\u200bwidth`,
		"tag\U000e0041":        `tag\U000e0041`,
		"c1\u009b31m":          `c1\u009b31m`,
		"bad\xffbyte":          `bad\xffbyte`,
		"two\nlines\tand tab":  `two\nlines\tand tab`,
		"\r[Allow] erased":     `\r[Allow] erased`,
	} {
		if got := say.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := say.CleanLines("a\n\tb\x1b[2J"); got != "a\n\tb"+`\x1b[2J` {
		t.Errorf("CleanLines keeps newline and tab alone: %q", got)
	}
}

// The law: nothing that Clean returns can move a cursor, turn text or end a
// line, and cleaning twice changes nothing.
func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[31m\u202e\xff\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		got := say.Clean(s)
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("Clean(%q) lets %U through", s, r)
			}
		}
		if again := say.Clean(got); again != got {
			t.Fatalf("Clean is not settled: %q, then %q", got, again)
		}
	})
}

func TestFail(t *testing.T) {
	cases := []struct {
		err  error
		text string
		code int
	}{
		{nil, "", 0},
		{errors.New("open policy: no such file"), "error: open policy: no such file\n", 1},
		{fmt.Errorf("start demo: %w", say.Failing("nemoclaw demo rebuild", "sandbox.yaml: edited")),
			"error: start demo: sandbox.yaml: edited\n→ nemoclaw demo rebuild\n", 1},
		{say.Misused("nemoclaw --help", "no such thing"), "error: no such thing\n→ nemoclaw --help\n", 2},
		{&say.Fault{Err: errors.New("wall"), Code: say.Refused}, "error: wall\n", 3},
		{say.Exit(42), "", 42},
		{fmt.Errorf("wait: %w", context.Canceled), "interrupted\n", 130},
		{errors.New("agent said \x1b[2J"), `error: agent said \x1b[2J` + "\n", 1},
	}
	for _, c := range cases {
		var b bytes.Buffer
		if code := say.Fail(&b, c.err); code != c.code || b.String() != c.text {
			t.Errorf("Fail(%v) = %d %q, want %d %q", c.err, code, b.String(), c.code, c.text)
		}
	}
}

func TestMeasures(t *testing.T) {
	for got, want := range map[string]string{
		say.Bytes(17):                     "17 B",
		say.Bytes(1536):                   "1.5 KiB",
		say.Bytes(8 << 30):                "8 GiB",
		say.Bytes(1<<30 - 1):              "1.0 GiB",
		say.Bytes(355 << 20):              "355 MiB",
		say.Span(154 * time.Second):       "2m 34s",
		say.Span(59 * time.Second):        "59s",
		say.Span(25 * time.Hour):          "1d 1h",
		say.Span(2*time.Hour + time.Hour): "3h 0m",
		say.Count(1, "rule"):              "1 rule",
		say.Count(4, "rule"):              "4 rules",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// JSON is read on terminals too: what it prints is plain, and says the same.
func TestJSONIsHarmless(t *testing.T) {
	var b bytes.Buffer
	v := &say.Voice{Out: &b, Err: &b}
	in := map[string]string{"host": "a\u009b2J\u202eb\U000e0041 <é>"}
	if err := v.JSONLine(in); err != nil {
		t.Fatal(err)
	}
	if want := `{"host":"a\u009b2J\u202eb\udb40\udc41 <é>"}` + "\n"; b.String() != want {
		t.Errorf("got %s want %s", b.String(), want)
	}
	var out map[string]string
	if err := json.Unmarshal(b.Bytes(), &out); err != nil || out["host"] != in["host"] {
		t.Errorf("came back as %q, %v", out["host"], err)
	}
}
