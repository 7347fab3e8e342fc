package egress

import (
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Who is refused is told what would help: what the operator refused by a rule is
// no question any more.
func TestHintHelps(t *testing.T) {
	p, err := policy.Parse("p.yaml", []byte("egress:\n  - host: listed.example.com\n    port: 443\ndeny:\n  - host: denied.example.com\n"))
	if err != nil {
		t.Fatal(err)
	}
	decide := func(host policy.Host) policy.Verdict { return p.Decide(policy.Request{Host: host, Port: 443}) }
	asked := decide("other.example.com")
	asked.Action = policy.Deny // as the operator answers
	for _, c := range []struct {
		name string
		v    policy.Verdict
		want string
	}{
		{"a question", decide("other.example.com"), "approvals"},
		{"a question answered no", asked, "approvals"},
		{"a rule", decide("denied.example.com"), "policy remove --deny"},
		{"neither", p.DecideAddr(policy.Request{Port: 443}, near[0].Next(), nil), "policy add"},
	} {
		if got := hintFor(c.v); !strings.Contains(got, c.want) {
			t.Errorf("%s (%+v): %q: want %q", c.name, c.v, got, c.want)
		}
	}
}
