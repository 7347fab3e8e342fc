package policy

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// sameAsParse fails where ParseAfter gives anything else than Parse, to the
// last field or the last word of a problem; fast says whether it read less.
func sameAsParse(t testing.TB, last *Policy, text string) (next *Policy, fast bool) {
	t.Helper()
	want, wantErr := Parse("network-policy.yaml", []byte(text))
	got, err := ParseAfter(last, "network-policy.yaml", []byte(text))
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(err, wantErr) {
		t.Fatalf("error %v; Parse says %v, of\n%s", err, wantErr, text)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v\n%sParse says %+v\n%sof\n%s", got, got.Format(), want, want.Format(), text)
	}
	return want, last.after([]byte(text)) != nil
}

const before = `# what the team needs
egress:
  # first
  - host: a.example.com
    port: 443

  - {host: b.example.com, ports: [80, 443]}   # both
  - host: c.example.com
    port: 443
    http:
      - methods: [GET]
        paths: ["/x/**"]
    note: "a note
      on two lines"
unlisted: deny
deny:
- host: bad.example.com
- host: worse.example.com
  port: 22
hold: 3s
`

func TestParseAfter(t *testing.T) {
	last := mustParse(t, before)
	for name, c := range map[string]struct {
		old, new string // replaced in before
		whole    bool   // it is read as a whole
	}{
		"nothing":                   {"", "", false},
		"a port":                    {"ports: [80, 443]", "ports: [80, 8443]", false},
		"one more above all":        {"egress:\n", "egress:\n  - {host: new.example.com, port: 1}\n", false},
		"one more below all":        {"hold: 3s\n", "", false},
		"a denial goes":             {"- host: bad.example.com\n", "", false},
		"all denials go":            {"- host: bad.example.com\n- host: worse.example.com\n  port: 22\n", "", false},
		"what is unlisted":          {"unlisted: deny", "unlisted: ask", false},
		"a comment above the first": {"  # first\n", "", false},
		"a comment at the margin":   {"  - {host: b", "# here\n  - {host: b", false},
		"two change places":         {"- host: bad.example.com\n- host: worse.example.com\n  port: 22\n", "- host: worse.example.com\n  port: 22\n- host: bad.example.com\n", false},
		"a mistake in a new one":    {"ports: [80, 443]", "prots: [80, 443]", true},
		"a mistake elsewhere":       {"hold: 3s", "hold: 1h", true},
		"one twice":                 {"egress:\n", "egress:\n  - {host: b.example.com, port: 80}\n", true},
		"the very one twice":        {"- host: bad.example.com\n", "- host: bad.example.com\n- host: bad.example.com\n", true},
		"a quote that swallows":     {"  - {host: b.example.com", "  - {host: \"b.example.com", true},
		"one that ends further on":  {"  - host: a.example.com\n", "  - host: 'a.example.com\n", true},
		"the key twice":             {"hold: 3s\n", "egress:\n  - {host: z.example.com, port: 1}\n", true},
		"within a map in braces":    {before, "{unlisted: deny,\negress:\n  - {host: a.example.com, port: 443}\n}\n", true},
		"another list's dash":       {"- host: worse", " - host: worse", true},
		"a rule becomes a text":     {"unlisted: deny\n", "unlisted: \"ask\n", true},
		"a second document":         {"unlisted: deny\n", "---\nunlisted: deny\n", true},
		"an anchor":                 {"- host: bad.example.com", "- host: &x bad.example.com", true},
		"a tab":                     {"- host: worse.example.com\n  port", "- host: worse.example.com\n\tport", true},
		"a line break of its own":   {"# both", "# both\rdeny:", true},
		"denied becomes allowed":    {"unlisted: deny\ndeny:\n", "unlisted: deny\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(before, c.old) {
				t.Fatalf("%q is not in it", c.old)
			}
			next, fast := sameAsParse(t, last, strings.Replace(before, c.old, c.new, 1))
			if fast == c.whole {
				t.Errorf("read only what is new: %v", fast)
			}
			if next != nil { // and back
				sameAsParse(t, next, before)
			}
		})
	}
}

// The lines that verdicts name are those of the new text, and what a rule says
// of the old one is left alone.
func TestParseAfterMovesLines(t *testing.T) {
	last := mustParse(t, before)
	next, fast := sameAsParse(t, last, "# one more line\n"+before)
	if !fast {
		t.Fatal("read as a whole")
	}
	for i, r := range next.List() {
		if r.Line != last.List()[i].Line+1 {
			t.Errorf("%s is in line %d, and was in line %d", r, r.Line, last.List()[i].Line)
		}
	}
}

// Many new rules are read by all processors, and a problem in one of them is
// found where it stands.
func TestParseAfterReadsMany(t *testing.T) {
	list := func(n int, host string) string {
		var b strings.Builder
		b.WriteString("egress:\n")
		for i := range n {
			fmt.Fprintf(&b, "  # number %d\n  - host: %s%d.example.com\n    port: 443\n", i, host, i)
		}
		return b.String()
	}
	last := mustParse(t, list(1000, "a"))
	for name, text := range map[string]string{"half of them": list(2000, "a"), "all": list(1000, "b"), "unended": strings.TrimSpace(list(1000, "b"))} {
		if _, fast := sameAsParse(t, last, text); !fast {
			t.Errorf("%s: read as a whole", name)
		}
		if _, fast := sameAsParse(t, nil, text); !fast {
			t.Errorf("%s, after nothing: read as a whole", name)
		}
	}
	bad := list(900, "b") + "  - {host: no.example.com}\n" + list(900, "c")[len("egress:\n"):]
	if _, fast := sameAsParse(t, last, bad); fast {
		t.Error("a policy in spite of a problem")
	}
}

// FuzzParseAfter: whatever stood before, and whatever became of it, the result
// is that of Parse.
func FuzzParseAfter(f *testing.F) {
	seed(f, func(text []byte) {
		f.Add(text, uint16(0), uint16(0), "")
		f.Add(text, uint16(9), uint16(3), "\n  - {host: x.org, port: 443}\n")
		f.Add(text, uint16(30), uint16(30), "\"")
	})
	f.Add([]byte(before), uint16(60), uint16(10), "- ")
	f.Fuzz(func(t *testing.T, text []byte, at, long uint16, put string) {
		last, err := Parse("network-policy.yaml", text)
		sameAsParse(t, nil, string(text))
		if err != nil {
			return
		}
		from := min(int(at), len(text))
		next, _ := sameAsParse(t, last, string(text[:from])+put+string(text[min(from+int(long), len(text)):]))
		if next != nil {
			sameAsParse(t, next, string(text))
		}
	})
}
