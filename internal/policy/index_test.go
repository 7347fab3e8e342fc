package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// crowd is a policy of n rules of every kind, and requests that meet it in
// every way.
func crowd(t testing.TB, n int) (*Policy, map[string]Request) {
	t.Helper()
	var b strings.Builder
	b.WriteString("egress:\n")
	for i := range n / 2 {
		fmt.Fprintf(&b, "  - {host: api%d.example.com, port: 443}\n", i)
		if i%10 == 0 {
			fmt.Fprintf(&b, "  - {host: '*.zone%d.example.net', ports: [80, 443]}\n  - {host: 203.%d.%d.0/24, port: 22}\n", i, i>>8&0xff, i&0xff)
			fmt.Fprintf(&b, "  - {host: crowded.example.com, port: %d, binaries: [/usr/bin/git]}\n", i+1000)
		}
	}
	b.WriteString("deny:\n")
	for i := range n / 2 {
		fmt.Fprintf(&b, "  - {host: bad%d.example.org}\n", i)
	}
	b.WriteString("unlisted: ask\n")
	p, err := Parse("network-policy.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	return p, map[string]Request{
		"exact":    {Host: "api3.example.com", Port: 443, Time: now},
		"wildcard": {Host: "a.zone0.example.net", Port: 80, Time: now},
		"address":  {Addr: netip.MustParseAddr("203.0.0.9"), Port: 22, Time: now},
		"denied":   {Host: "bad2.example.org", Port: 8080, Time: now},
		"unlisted": {Host: "www.unknown.example.com", Port: 443, Time: now},
		"program":  {Host: "crowded.example.com", Port: 1000, Time: now},
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	p, requests := crowd(t, 100)
	want := map[string]Action{"exact": Allow, "wildcard": Allow, "address": Allow, "denied": Deny, "unlisted": Ask, "program": Ask}
	for name, r := range requests {
		if got := p.Find(r).Action; got != want[name] {
			t.Errorf("%s: %s: want %s", name, got, want[name])
		}
		if n := testing.AllocsPerRun(100, func() { p.Find(r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { p.Decide(requests["exact"]) }); n == 0 {
		t.Error("putting it into words allocates nothing: this test sees no allocation at all")
	}
}

// BenchmarkFind is flat: what grows with the number of rules is a table's cache
// misses alone.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		p, requests := crowd(b, n)
		for _, name := range []string{"exact", "wildcard", "address", "denied", "unlisted", "program"} {
			r := requests[name]
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Find(r)
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{100, 10000} {
		p, _ := crowd(b, n)
		text := p.Format()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse("network-policy.yaml", text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d, on every processor", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := ParseAfter(nil, "network-policy.yaml", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseAfter: one rule of many is another, above all others.
func BenchmarkParseAfter(b *testing.B) {
	for _, n := range []int{100, 10000} {
		p, _ := crowd(b, n)
		text := p.Format()
		last := mustParse(b, string(text))
		text = slices.Replace(text, len("egress:\n"), len("egress:\n"), []byte("  - {host: new.example.com, port: 443}\n")...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := ParseAfter(last, "network-policy.yaml", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
