package egress

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Programs as they are, without a variable that would tell them of a proxy.
var programs = []struct {
	name string
	argv []string // the URL comes last
}{
	{"curl", []string{"curl", "-sS", "-m", "10"}},
	{"curl -6", []string{"curl", "-6", "-sS", "-m", "10"}},
	{"curl --http1.1", []string{"curl", "--http1.1", "-sS", "-m", "10"}},
	{"node", []string{"node", "-e", "fetch(process.argv[1]).then(r => r.text()).then(t => console.log(t)).catch(e => { console.error(e.cause); process.exit(1) })"}},
	{"python3", []string{"python3", "-c", "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"}},
}

func TestProgramsNeedNotKnow(t *testing.T) {
	b := newBench(t, github+"hold: 0s\n", nil)
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.argv[0]); err != nil {
				t.Skip("needs " + p.argv[0])
			}
			for _, url := range []string{"https://api.github.com/ok", "http://plain.example/ok"} {
				out, err := b.inside.Run(append(p.argv, url)...)
				if err != nil || !strings.Contains(out, `"path":"/ok"`) {
					t.Errorf("%s: %s, %v", url, out, err)
				}
			}
			if out, err := b.inside.Run(append(p.argv, "https://unlisted.example/")...); err == nil {
				t.Errorf("unlisted: %s", out)
			}
			b.events.await(t, to("unlisted.example:443", policy.Deny))
		})
	}
	if got := b.world.To("unlisted.example"); len(got) != 0 {
		t.Errorf("arrived: %+v", got)
	}
}

// A verdict names who asked, though nobody waited for the answer.
func TestVerdictNamesWhoIsToldLater(t *testing.T) {
	answers := make(chan func(), 1)
	b := newBench(t, github, func(c *Config) {
		c.Later = func(_, _ netip.AddrPort, told func(policy.Program, int)) {
			answers <- func() { told(policy.ProgramAt("/usr/bin/psql", nil), 7) }
		}
	})
	c := b.dial("db.example", 5432)
	check(t, echo(c))
	answer := <-answers
	c.Close() // it has gone when the answer comes
	answer()
	e := b.events.await(t, to("db.example:5432", policy.Allow))
	if e.Program != "/usr/bin/psql" || e.PID != 7 {
		t.Errorf("got %+v", e)
	}
}
