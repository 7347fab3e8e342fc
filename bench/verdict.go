package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// quick is the promise for a verdict, however many rules there are.
const quick = time.Microsecond

// crowds are the sizes of a policy that are compared.
var crowds = []int{10, 100, 1000, 10000}

// measureVerdict asks the gate's own evaluator, in this process.
func measureVerdict(ctx context.Context, _ *ground) ([]row, error) {
	var rows []row
	var allocations int64
	for _, n := range crowds {
		p, err := policy.Parse("network-policy.yaml", []byte(crowd(n)))
		if err != nil {
			return rows, err
		}
		var slowest time.Duration
		for _, r := range met() {
			if ctx.Err() != nil {
				return rows, ctx.Err()
			}
			b := testing.Benchmark(func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Find(r)
				}
			})
			slowest = max(slowest, time.Duration(b.NsPerOp()))
			allocations += b.AllocsPerOp()
		}
		rows = append(rows, within(fmt.Sprintf("policy: a verdict over %d rules, the slowest of %d kinds", n, len(met())), slowest, quick))
	}
	return append(rows, row{
		what: "policy: allocations of a verdict, all kinds and sizes together", ours: fmt.Sprint(allocations),
		goal: "0", met: allocations == 0,
	}), nil
}

// crowd is a policy of n rules: names, wildcards, networks and denials.
func crowd(n int) string {
	var b strings.Builder
	b.WriteString("egress:\n")
	for i := range n / 5 {
		fmt.Fprintf(&b, "  - {host: api%d.example.com, port: 443}\n", i)
		fmt.Fprintf(&b, "  - {host: '*.zone%d.example.net', ports: [80, 443]}\n", i)
		fmt.Fprintf(&b, "  - {host: 203.%d.%d.0/24, port: 22}\n", i>>8, i&0xff)
		fmt.Fprintf(&b, "  - {host: crowded.example.com, port: %d, binaries: [/usr/bin/git]}\n", i+1000)
	}
	b.WriteString("deny:\n")
	for i := range n / 5 {
		fmt.Fprintf(&b, "  - {host: bad%d.example.org}\n", i)
	}
	b.WriteString("unlisted: ask\n")
	return b.String()
}

// met are requests that meet such a policy in every way.
func met() []policy.Request {
	return []policy.Request{
		{Host: "api1.example.com", Port: 443},
		{Host: "a.zone1.example.net", Port: 80},
		{Addr: netip.MustParseAddr("203.0.1.9"), Port: 22},
		{Host: "bad1.example.org", Port: 8080},
		{Host: "www.unknown.example.com", Port: 443},
		{Host: "crowded.example.com", Port: 1000},
	}
}
