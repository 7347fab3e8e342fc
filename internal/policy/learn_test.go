package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var learnedAt = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func seenAs(host string, port Port, exe string) Seen {
	r := Request{Port: port}
	r.Host, r.Addr, _ = ParseTarget(host)
	if exe != "" {
		r.Program = ProgramAt(exe, nil)
	}
	return Seen{Request: r, Count: 1}
}

func TestLearn(t *testing.T) {
	p := mustParse(t, `egress:
  - {host: "*.github.com", ports: [80, 443], note: "work"}
  - {host: "nas.example.com", port: 443, addresses: ["10.0.0.7/32"], expires: 2027-01-01T00:00:00Z}
deny:
  - host: "bad.example.com"
unlisted: deny
hold: 3s
`)
	got, err := Learn(p, []Seen{
		seenAs("api.github.com", 443, "/usr/bin/git"), // narrower than the rule
		seenAs("new.example.org", 443, "/usr/bin/node"),
		seenAs("new.example.org", 80, "/usr/bin/node"),
		seenAs("new.example.org", 22, "/usr/bin/ssh"),
		seenAs("script.example.org", 443, "/sandbox/tool"), // which the agent can change
		seenAs("nas.example.com", 443, "/usr/bin/curl"),
		seenAs("203.0.113.9", 8443, ""),
		seenAs("bad.example.com", 443, "/usr/bin/curl"),
		seenAs("api.openai.com", 443, "/usr/bin/curl"),
		seenAs("192.168.1.1", 80, "/usr/bin/curl"),
		seenAs("169.254.169.254", 80, "/usr/bin/curl"),
	}, learnedAt)
	if err != nil {
		t.Fatal(err)
	}
	const want = `egress:
  - host: "203.0.113.9"
    port: 8443
    note: "learned 2026-11-27: asked for once"
  - host: "api.github.com"
    port: 443
    binaries: ["/usr/bin/git"]
    note: "learned 2026-11-27: asked for once, line 2 allowed it: work"
  - host: "nas.example.com"
    port: 443
    binaries: ["/usr/bin/curl"]
    addresses: ["10.0.0.7/32"]
    expires: 2027-01-01T00:00:00Z
    note: "learned 2026-11-27: asked for once, line 3 allowed it"
  - host: "new.example.org"
    port: 22
    binaries: ["/usr/bin/ssh"]
    note: "learned 2026-11-27: asked for once"
  - host: "new.example.org"
    ports: [80, 443]
    binaries: ["/usr/bin/node"]
    note: "learned 2026-11-27: asked for 2 times"
  - host: "script.example.org"
    port: 443
    note: "learned 2026-11-27: asked for once"
deny:
  - host: "bad.example.com"
unlisted: deny
hold: 3s
`
	if string(got.Text) != want {
		t.Errorf("%s", got.Text)
	}
	var left []string
	for _, l := range got.Left {
		left = append(left, l.Request.Target()+": "+l.Why)
	}
	for i, word := range []string{"bad.example.com:443 is denied", "is a model API", "192.168.1.1 is a private address", "metadata"} {
		if i >= len(left) || !strings.Contains(left[i], word) {
			t.Errorf("left out %q, want %q", left, word)
		}
	}
}

func TestLearnFromNothing(t *testing.T) {
	got, err := Learn(mustParse(t, "unlisted: ask\n"), nil, learnedAt)
	if err != nil || string(got.Text) != "egress: []\nunlisted: ask\n" {
		t.Errorf("%s, %v", got.Text, err)
	}
}

// FuzzLearn: what is learned allows all that was seen and was not left out, and
// nothing that neither was seen nor is the same for every program.
func FuzzLearn(f *testing.F) {
	f.Add(uint64(1), uint8(5))
	f.Add(uint64(9), uint8(60))
	hosts := []string{"a.example.com", "b.example.com", "a.b.example.com", "bad.example.com", "203.0.113.9", "198.51.100.7", "10.0.0.1", "api.openai.com", "host.docker.internal"}
	ports := []Port{22, 80, 443, 8443}
	programs := []string{"", "/usr/bin/curl", "/usr/bin/node", "/tmp/x"}
	p, err := Parse("p", []byte("egress:\n  - {host: \"*.example.com\", ports: [80, 443]}\n  - {host: 10.0.0.0/8, port: 443, binaries: [/usr/bin/curl]}\ndeny:\n  - host: bad.example.com\nunlisted: ask\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		random := rand.New(rand.NewPCG(seed, 1))
		pick := func() Seen {
			return seenAs(hosts[random.IntN(len(hosts))], ports[random.IntN(len(ports))], programs[random.IntN(len(programs))])
		}
		var seen []Seen
		open := map[string]bool{} // destinations that any program may reach
		exact := map[string]bool{}
		for range n {
			s := pick()
			seen = append(seen, s)
			exact[fmt.Sprint(s.Request.Target(), s.Request.Program.Exe)] = true
			if !s.Request.Program.Known || s.Request.Program.Writable {
				open[s.Request.Target()] = true
			}
		}
		got, err := Learn(p, seen, learnedAt)
		if err != nil {
			t.Fatal(err)
		}
		q := mustParse(t, string(got.Text))
		for _, l := range got.Left {
			if v := q.Judge(l.Request, nil); v.Action == Allow {
				t.Fatalf("%s was left out, and is allowed", l.Request.Target())
			}
		}
		for range 200 {
			r := pick().Request
			r.Time = learnedAt
			if q.Decide(r).Action == Allow && !open[r.Target()] && !exact[fmt.Sprint(r.Target(), r.Program.Exe)] {
				t.Fatalf("%s by %q was never asked for, and is allowed by\n%s", r.Target(), r.Program.Exe, got.Text)
			}
		}
	})
}
