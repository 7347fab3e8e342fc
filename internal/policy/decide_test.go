package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

const rules = `egress:
  - host: "127.0.0.1"
    port: 11434
  - {host: "api.github.com", port: 443}
  - {host: "*.one.org", port: 443}
  - {host: "**.deep.org", ports: [80, 443]}
  - {host: "git.example.org", port: 443, binaries: [/usr/bin/git]}
  - {host: "old.example.org", port: 443, expires: 2026-01-01T00:00:00Z}
  - {host: "wide.example.org", port: 443}
  - {host: "203.0.113.0/24", port: 22}
  - {host: "10.1.0.0/16", port: 5432}
  - {host: "169.254.0.0/16", port: 80}
  - {host: "2001:db8::7", port: 443}
  - {host: "lan.example.org", port: 443, addresses: [10.0.0.0/8, "fd00::/16", 169.254.0.0/16]}
  - {host: "meta.example.org", port: 80, addresses: [169.254.169.254]}
  - {host: "api.openai.com", port: 443, binaries: [/usr/bin/curl]}
deny:
  - {host: "secret.deep.org"}
  - {host: "wide.example.org", port: 443, note: "seen in a prompt"}
  - {host: "203.0.113.66"}
  - {host: "198.51.100.0/24", port: 443}
unlisted: ask
`

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// request reads "host:port" or "address:port", by the way of a parser, as the
// gate does.
func request(t testing.TB, host string, port Port) Request {
	t.Helper()
	name, addr, err := ParseTarget(host)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Host: name, Addr: addr, Port: port, Time: noon, Program: Program{Exe: "/usr/bin/git", Known: true}}
}

func TestDecide(t *testing.T) {
	p := mustParse(t, rules)
	for _, c := range []struct {
		host string
		port Port
		want Action
		line int
	}{
		{"api.github.com", 443, Allow, 4},
		{"API.GITHUB.COM.", 443, Allow, 4},
		{"api.github.com", 80, Ask, 22},
		{"evilapi.github.com", 443, Ask, 22},
		{"api.github.com.evil.org", 443, Ask, 22},
		{"github.com", 443, Ask, 22},
		{"www.api.github.com", 443, Ask, 22},

		{"a.one.org", 443, Allow, 5},
		{"one.org", 443, Ask, 22},
		{"a.b.one.org", 443, Ask, 22},
		{"evilone.org", 443, Ask, 22},

		{"a.deep.org", 80, Allow, 6},
		{"a.b.c.deep.org", 443, Allow, 6},
		{"deep.org", 443, Ask, 22},
		{"secret.deep.org", 443, Deny, 18},
		{"SECRET.deep.org.", 80, Deny, 18},

		{"wide.example.org", 443, Deny, 19},
		{"old.example.org", 443, Ask, 22},
		{"git.example.org", 443, Allow, 7},

		{"host.docker.internal", 11434, Allow, 2},
		{"host.nemoclaw.internal", 11434, Allow, 2},
		{"localhost", 11434, Allow, 2},
		{"127.0.0.1", 11434, Allow, 2},
		{"host.docker.internal", 22, Ask, 22},
		{"127.0.0.1", 22, Deny, 0},
		{"127.0.0.2", 11434, Deny, 0},
		{"::1", 11434, Deny, 0},

		{"203.0.113.9", 22, Allow, 10},
		{"::ffff:203.0.113.9", 22, Allow, 10},
		{"64:ff9b::203.0.113.9", 22, Allow, 10},
		{"203.0.113.66", 22, Deny, 20},
		{"::ffff:203.0.113.66", 22, Deny, 20},
		{"203.0.113.9", 443, Ask, 22},
		{"10.1.2.3", 5432, Allow, 11},
		{"10.2.2.3", 5432, Deny, 0},
		{"2001:db8::7", 443, Allow, 13},
		{"8.8.8.8", 53, Ask, 22},

		{"169.254.1.1", 80, Allow, 12},
		{"169.254.169.254", 80, Deny, 0}, // in the CIDR of line 12, and not listed by it
		{"0.0.0.0", 443, Deny, 0},
		{"224.0.0.1", 443, Deny, 0},
		{"255.255.255.255", 443, Deny, 0},
		{"192.168.1.1", 443, Deny, 0},
		{"100.64.0.1", 443, Deny, 0},
		{"2002:7f00:1::", 443, Deny, 0},
		{"::127.0.0.1", 443, Deny, 0},

		{"api.openai.com", 443, Deny, 0},
		{"api.anthropic.com", 443, Deny, 0},
		{"inference.local", 8080, Deny, 0},
		{"bedrock-runtime.eu-west-1.amazonaws.com", 443, Deny, 0},
	} {
		v := p.Decide(request(t, c.host, c.port))
		if v.Action != c.want || v.Line != c.line || v.Why == "" || (v.Line > 0) != (v.Rule != "") {
			t.Errorf("%s:%d: %s %q, want %s (line %d)", c.host, c.port, v, v.Rule, c.want, c.line)
		}
	}
}

func TestDecideSaysWhy(t *testing.T) {
	p := mustParse(t, rules)
	git := request(t, "git.example.org", 443)
	curl, unknown, writable := git, git, git
	curl.Program.Exe = "/usr/bin/curl"
	unknown.Program = Program{}
	writable.Program.Writable = true
	model := request(t, "api.openai.com", 443)
	for _, c := range []struct {
		r    Request
		want string
	}{
		{git, "allow: git.example.org:443 is listed (line 7)"},
		{curl, "ask: git.example.org:443 is not listed: the rule in line 7 is for /usr/bin/git alone, not for /usr/bin/curl (line 22)"},
		{unknown, "ask: git.example.org:443 is not listed: the rule in line 7 is for /usr/bin/git alone, and which program asks is not known (line 22)"},
		{writable, "ask: git.example.org:443 is not listed: the rule in line 7 is for /usr/bin/git, which the agent can change here (line 22)"},
		{request(t, "old.example.org", 443), "ask: old.example.org:443 is not listed: the rule in line 8 ended at 2026-01-01T00:00:00Z (line 22)"},
		{request(t, "wide.example.org", 443), "deny: wide.example.org:443 is denied (seen in a prompt) (line 19)"},
		{request(t, "elsewhere.net", 8443), "ask: elsewhere.net:8443 is not listed (line 22)"},
		{request(t, "192.168.1.1", 22), "deny: 192.168.1.1 is a private address; only a rule with this address as its host opens it"},
		{model, "deny: api.openai.com is a model API (openai): model calls go through the inference router, unless a rule lists it"},
	} {
		if got := p.Decide(c.r).String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	model.Program.Exe = "/usr/bin/curl"
	if v := p.Decide(model); v.Action != Allow {
		t.Errorf("a rule opens a model API: %s", v)
	}
}

func TestExpiry(t *testing.T) {
	p := mustParse(t, rules)
	r := request(t, "old.example.org", 443)
	for _, c := range []struct {
		at   time.Time
		want Action
	}{
		{time.Date(2025, 12, 31, 23, 59, 59, 999, time.UTC), Allow},
		{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Ask},
	} {
		r.Time = c.at
		if v := p.Decide(r); v.Action != c.want {
			t.Errorf("%s: %s", c.at, v)
		}
	}
}

func TestNothingIsOpenByAccident(t *testing.T) {
	var none *Policy
	r := request(t, "api.github.com", 443)
	for name, p := range map[string]*Policy{"nil": none, "zero": {}} {
		if v := p.Decide(r); v.Action != Deny || v.Why == "" {
			t.Errorf("%s: %s", name, v)
		}
	}
	if v := none.DecideAddr(r, netip.MustParseAddr("192.0.2.1"), nil); v.Action != Deny {
		t.Errorf("%s", v)
	}
	p := mustParse(t, rules)
	for _, r := range []Request{{}, {Host: "api.github.com"}, {Port: 443}} {
		if v := p.Decide(r); v.Action != Deny {
			t.Errorf("%+v: %s", r, v)
		}
	}
	if v := Open().Decide(r); v.Action != Allow {
		t.Errorf("open: %s", v)
	}
}

func TestDenies(t *testing.T) {
	p := mustParse(t, "deny:\n  - {host: 127.0.0.1, port: 11434}\n")
	if v, denied := p.Denies(Request{Host: "host.docker.internal", Port: 11434}); !denied || v.Line != 2 {
		t.Errorf("%s", v)
	}
	if v, denied := p.Denies(Request{Host: "host.docker.internal", Port: 80}); denied {
		t.Errorf("%s", v)
	}
	wild := mustParse(t, "egress:\n  - {host: '*.docker.internal', port: 80}\n")
	if v := wild.Decide(Request{Host: "host.docker.internal", Port: 80}); v.Action != Ask {
		t.Errorf("a wildcard opened the host: %s", v)
	}
	wild = mustParse(t, "egress:\n  - {host: localhost, port: 80}\ndeny:\n  - {host: '**.internal.x.org'}\n  - {host: '**.docker.internal'}\n")
	if v := wild.Decide(Request{Host: "host.docker.internal", Port: 80}); v.Action != Deny {
		t.Errorf("a wildcard did not deny: %s", v)
	}
}

func TestDecideAddr(t *testing.T) {
	p := mustParse(t, rules)
	own := []netip.Addr{netip.MustParseAddr("198.51.7.7"), netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("192.168.5.5")}
	for _, c := range []struct {
		host, addr string
		port       Port
		want       Action
	}{
		{"api.github.com", "140.82.121.6", 443, Allow},
		{"api.github.com", "2606:50c0:8000::153", 443, Allow},

		// every kind that an allowed name may not turn out to have
		{"api.github.com", "127.0.0.1", 443, Ask},
		{"api.github.com", "::1", 443, Ask},
		{"api.github.com", "10.0.0.1", 443, Ask},
		{"api.github.com", "172.31.255.255", 443, Ask},
		{"api.github.com", "192.168.1.1", 443, Ask},
		{"api.github.com", "169.254.1.1", 443, Ask},
		{"api.github.com", "fe80::1", 443, Ask},
		{"api.github.com", "fc00::1", 443, Ask},
		{"api.github.com", "100.64.0.1", 443, Ask},
		{"api.github.com", "198.18.0.1", 443, Ask},
		{"api.github.com", "198.51.7.7", 443, Ask}, // the machine's own
		{"api.github.com", "::ffff:198.51.7.7", 443, Ask},
		{"api.github.com", "224.0.0.1", 443, Deny},
		{"api.github.com", "ff02::1", 443, Deny},
		{"api.github.com", "0.0.0.0", 443, Deny},
		{"api.github.com", "0.1.2.3", 443, Deny},
		{"api.github.com", "::", 443, Deny},
		{"api.github.com", "240.0.0.1", 443, Deny},
		{"api.github.com", "255.255.255.255", 443, Deny},
		{"api.github.com", "2001:0:1::1", 443, Deny}, // Teredo
		{"api.github.com", "169.254.169.254", 443, Deny},
		{"api.github.com", "fd00:ec2::254", 443, Deny},
		{"api.github.com", "100.100.100.200", 443, Deny},
		{"api.github.com", "168.63.129.16", 443, Deny},
		{"api.github.com", "192.0.0.192", 443, Deny},

		// IPv4 in IPv6
		{"api.github.com", "::ffff:10.0.0.1", 443, Ask},
		{"api.github.com", "::127.0.0.1", 443, Ask},
		{"api.github.com", "2002:7f00:1::", 443, Ask},
		{"api.github.com", "64:ff9b::a9fe:a9fe", 443, Deny},
		{"api.github.com", "64:ff9b::8c52:7906", 443, Allow},

		// deny by address holds for names too
		{"api.github.com", "198.51.100.9", 443, Deny},
		{"api.github.com", "::ffff:198.51.100.9", 443, Deny},
		{"api.github.com", "203.0.113.66", 443, Deny},

		// listed
		{"lan.example.org", "10.0.0.1", 443, Allow},
		{"lan.example.org", "10.9.9.9", 443, Allow},
		{"lan.example.org", "fd00::5", 443, Allow},
		{"lan.example.org", "192.168.1.1", 443, Ask},
		{"lan.example.org", "169.254.169.254", 443, Deny}, // a CIDR lists no metadata server
		{"lan.example.org", "10.0.0.1", 80, Ask},          // the rule is for another port
		{"meta.example.org", "169.254.169.254", 80, Allow},
		{"elsewhere.net", "10.0.0.1", 443, Ask},

		// the host's loopback
		{"host.docker.internal", "127.0.0.1", 11434, Allow},
		{"host.docker.internal", "192.168.1.1", 11434, Ask},

		// literal addresses
		{"203.0.113.9", "203.0.113.9", 22, Allow},
		{"8.8.8.8", "8.8.8.8", 53, Allow},
		{"10.1.2.3", "10.1.2.3", 5432, Allow},
		{"10.2.2.3", "10.2.2.3", 5432, Deny},
		{"192.168.5.5", "192.168.5.5", 443, Deny},
		{"198.51.7.7", "198.51.7.7", 443, Deny},
		{"169.254.169.254", "169.254.169.254", 80, Deny},
	} {
		v := p.DecideAddr(request(t, c.host, c.port), netip.MustParseAddr(c.addr), own)
		if v.Action != c.want || v.Why == "" {
			t.Errorf("%s:%d at %s: %s, want %s", c.host, c.port, c.addr, v, c.want)
		}
	}
	if v := p.DecideAddr(request(t, "api.github.com", 443), netip.Addr{}, own); v.Action != Deny {
		t.Errorf("no address: %s", v)
	}
}

func TestIsRouter(t *testing.T) {
	for target, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "host.docker.internal": true, "host.nemoclaw.internal": true, "HOST.docker.internal.": true,
		"127.0.0.2": false, "10.0.0.1": false, "a.org": false, "inference.local": false,
	} {
		r := request(t, target, 11434)
		if IsRouter(r.Host, r.Addr, r.Port) != want || IsRouter(r.Host, r.Addr, 11435) {
			t.Error(target)
		}
	}
	if !IsRouter("inference.local", netip.Addr{}, 80) || !IsRouter("inference.local", netip.Addr{}, 443) || IsRouter("inference.local", netip.Addr{}, 8080) || IsRouter("", netip.Addr{}, 443) {
		t.Error("inference.local")
	}
}

// TestJudgeRouter: the router needs no rule, a deny closes it, and no rule makes
// another host of its name.
func TestJudgeRouter(t *testing.T) {
	p := mustParse(t, "egress:\n  - {host: inference.local, port: 8443}\ndeny:\n  - {host: host.docker.internal, port: 11434}\n")
	open := mustParse(t, "egress: []\n")
	for _, c := range []struct {
		p    *Policy
		host string
		port Port
		want Action
	}{
		{open, "inference.local", 80, Allow}, {open, "127.0.0.1", 11434, Allow}, {open, "host.nemoclaw.internal", 11434, Allow},
		{p, "inference.local", 8443, Deny}, {open, "inference.local", 443, Allow}, {p, "inference.local", 80, Allow}, {p, "host.nemoclaw.internal", 11434, Deny},
	} {
		if v := c.p.Judge(request(t, c.host, c.port), nil); v.Action != c.want || v.Why == "" {
			t.Errorf("%s:%d: %s", c.host, c.port, v)
		}
	}
}

// TestProgramAt: what the agent can change holds no right of its own.
func TestProgramAt(t *testing.T) {
	for exe, writable := range map[string]bool{
		"/usr/bin/git": false, "/opt/x/bin/node": false, "/sandbox/git": true, "/tmp/git": true, "/dev/shm/git": true,
		"/usr/bin/git (deleted)": true, "memfd:x": true, "": true,
	} {
		if p := ProgramAt(exe, nil); p.Writable != writable || !p.Known || p.Exe != exe {
			t.Errorf("%q: %+v", exe, p)
		}
	}
}

func TestKnownModelAPI(t *testing.T) {
	for host, want := range map[Host]string{
		"api.openai.com": "openai", "api.anthropic.com": "anthropic", "integrate.api.nvidia.com": "nvidia",
		"my.openai.azure.com": "azure", "europe-west4-aiplatform.googleapis.com": "google",
		"bedrock-runtime.us-east-1.amazonaws.com": "amazon", "github.com": "", "openai.com": "", "s3.amazonaws.com": "",
	} {
		if got, known := KnownModelAPI(host); got != want || known != (want != "") {
			t.Errorf("%s: %q", host, got)
		}
	}
	for host := range modelAPIs { // the table is in canonical form
		if canonical, err := ParseHost(string(host)); canonical != host || err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestFirstAllowWins whatever its shape.
func TestFirstAllowWins(t *testing.T) {
	p := mustParse(t, `egress:
  - {host: "**.x.org", port: 80}
  - {host: "*.x.org", ports: [80, 443]}
  - {host: a.x.org, ports: [80, 443, 22]}
  - {host: a.x.org, port: 443, binaries: [/usr/bin/git]}
  - {host: 192.0.2.0/24, port: 443}
  - {host: 192.0.2.1, port: 443}
`)
	for _, c := range []struct {
		host string
		port Port
		line int
	}{{"a.x.org", 80, 2}, {"a.x.org", 443, 3}, {"a.x.org", 22, 4}, {"192.0.2.1", 443, 6}} {
		if v := p.Decide(request(t, c.host, c.port)); v.Action != Allow || v.Line != c.line {
			t.Errorf("%s:%d: %s, want line %d", c.host, c.port, v, c.line)
		}
	}
}

// BenchmarkDecide: 1,000 rules of every shape.
func BenchmarkDecide(b *testing.B) {
	text := "egress:\n"
	for i := range 250 {
		text += fmt.Sprintf("  - {host: h%d.example.org, port: 443}\n  - {host: '*.w%d.example.org', port: 443}\n", i, i)
		text += fmt.Sprintf("  - {host: '**.d%d.example.org', ports: [80, 443]}\n  - {host: 20.%d.0.0/16, port: 443}\n", i, i)
	}
	p := mustParse(b, text)
	for _, host := range []string{"h249.example.org", "a.w249.example.org", "a.b.c.d249.example.org", "20.249.1.1", "no.such.host.example.net"} {
		r := request(b, host, 443)
		b.Run(host, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(r)
			}
		})
	}
}
