package egress

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// ttl is how long programs may keep an answer, in seconds. The address stays
// for good; a short life keeps programs from minding a restart.
const ttl = 60

// reply is what one DNS message gets; nil is silence. Nobody else is asked.
func (g *Gate) reply(message []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.Response {
		return nil // not even a header; or an answer, and answering those makes loops
	}
	head := dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode,
		RecursionDesired: h.RecursionDesired, RecursionAvailable: true,
	}
	if h.OpCode != 0 {
		return pack(head, dnsmessage.RCodeNotImplemented, nil, nil)
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return pack(head, dnsmessage.RCodeFormatError, nil, nil)
	}
	q := questions[0]
	if q.Class != dnsmessage.ClassINET {
		return pack(head, dnsmessage.RCodeRefused, &q, nil)
	}
	code, body := g.resolveInside(q)
	return pack(head, code, &q, body)
}

// resolveInside answers one question from what we know ourselves. A nil body
// is "no data".
func (g *Gate) resolveInside(q dnsmessage.Question) (dnsmessage.RCode, dnsmessage.ResourceBody) {
	text := q.Name.String()
	if text == "." {
		return dnsmessage.RCodeSuccess, nil
	}
	if q.Type == dnsmessage.TypePTR {
		return g.pointer(text)
	}
	name, err := policy.ParseHost(text)
	if err != nil {
		g.refuseName(text, err.Error())
		return dnsmessage.RCodeNameError, nil
	}
	if name == "localhost" || strings.HasSuffix(string(name), ".localhost") {
		return dnsmessage.RCodeSuccess, address(q.Type, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	}
	if g.isNoName(name) {
		return dnsmessage.RCodeNameError, nil
	}
	if q.Type != dnsmessage.TypeA && q.Type != dnsmessage.TypeAAAA {
		return dnsmessage.RCodeSuccess, nil
	}
	n, ok := g.names.give(name, func() bool { return g.lists(name) })
	if !ok {
		g.refuseName(string(name), fmt.Sprintf("%d names have an address already, which is the limit for names that no rule lists", g.names.len()))
		return dnsmessage.RCodeServerFailure, nil
	}
	six := g.names.addr6(n)
	if !g.six.Load() {
		six = netip.Addr{} // nothing would take the connection
	}
	return dnsmessage.RCodeSuccess, address(q.Type, g.names.addr4(n), six)
}

// isNoName: a single label is what search lists and browsers' probes make, and
// would only bother the operator; and Firefox asks whether it may go round us.
func (g *Gate) isNoName(name policy.Host) bool {
	if name == "use-application-dns.net" {
		return true
	}
	return !strings.Contains(string(name), ".") && !g.lists(name)
}

// likely are the ports by which a rule that speaks of a name is found.
var likely = []policy.Port{443, 80, 22, 8080, 8443, 3000, 5432, 3306, 6379, 8000, 9000, 5000, 27017, 11434}

// lists says whether a rule allows the name on a likely port.
func (g *Gate) lists(name policy.Host) bool {
	p, now := g.policy(), g.cfg.Now()
	for _, port := range likely {
		if p.Decide(policy.Request{Host: name, Port: port, Time: now}).Action == policy.Allow {
			return true
		}
	}
	return false
}

func (g *Gate) refuseName(text, why string) {
	g.tally.record(Event{Kind: Names, Program: "unknown", Target: strings.TrimSuffix(text, "."), Why: why})
}

func address(t dnsmessage.Type, four, six netip.Addr) dnsmessage.ResourceBody {
	switch {
	case t == dnsmessage.TypeA && four.IsValid():
		return &dnsmessage.AResource{A: four.As4()}
	case t == dnsmessage.TypeAAAA && six.IsValid():
		return &dnsmessage.AAAAResource{AAAA: six.As16()}
	}
	return nil
}

// pointer names an address of ours; of others nobody is asked.
func (g *Gate) pointer(text string) (dnsmessage.RCode, dnsmessage.ResourceBody) {
	a, ok := reverse(strings.ToLower(text))
	if !ok {
		return dnsmessage.RCodeNameError, nil
	}
	name, _ := g.names.name(a)
	if a.IsLoopback() {
		name = "localhost"
	}
	target, err := dnsmessage.NewName(string(name) + ".")
	if name == "" || err != nil {
		return dnsmessage.RCodeNameError, nil
	}
	return dnsmessage.RCodeSuccess, &dnsmessage.PTRResource{PTR: target}
}

// reverse reads d.c.b.a.in-addr.arpa. and the nibbles of ip6.arpa.
func reverse(text string) (netip.Addr, bool) {
	if rest, ok := strings.CutSuffix(text, ".in-addr.arpa."); ok {
		b := strings.Split(rest, ".")
		if len(b) != 4 {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(b[3] + "." + b[2] + "." + b[1] + "." + b[0])
		return a, err == nil
	}
	rest, ok := strings.CutSuffix(text, ".ip6.arpa.")
	if nibbles := strings.Split(rest, "."); ok && len(nibbles) == 32 {
		var s strings.Builder
		for i := 31; i >= 0; i-- {
			s.WriteString(nibbles[i])
			if i > 0 && i%4 == 0 {
				s.WriteByte(':')
			}
		}
		a, err := netip.ParseAddr(s.String())
		return a, err == nil
	}
	return netip.Addr{}, false
}

// pack writes a reply; q is repeated as it was asked, letter case included.
func pack(h dnsmessage.Header, code dnsmessage.RCode, q *dnsmessage.Question, body dnsmessage.ResourceBody) []byte {
	h.RCode = code
	m := dnsmessage.Message{Header: h}
	if q != nil {
		m.Questions = []dnsmessage.Question{*q}
	}
	if body != nil {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: ttl},
			Body:   body,
		}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
