package egress

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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

// fakeLine is a line on which the test answers.
type fakeLine struct {
	asked   chan uint64
	answers chan answered
	r, w    int // readable while there are answers
	err     error
}

type answered struct {
	id  uint64
	p   policy.Program
	pid int
}

func newLine(t *testing.T) *fakeLine {
	t.Helper()
	var p [2]int
	check(t, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return &fakeLine{asked: make(chan uint64, 100), answers: make(chan answered, 100), r: p[0], w: p[1]}
}

func (l *fakeLine) Descriptor() int { return l.r }

func (l *fakeLine) Ask(id uint64, _, _ netip.AddrPort) error {
	l.asked <- id
	return nil
}

func (l *fakeLine) answer(id uint64, p policy.Program, pid int) {
	l.answers <- answered{id, p, pid}
	_, _ = unix.Write(l.w, []byte{1})
}

func (l *fakeLine) Hear() (id uint64, p policy.Program, pid int, err error) {
	if _, err := unix.Read(l.r, make([]byte, 1)); err != nil {
		return 0, p, 0, err
	}
	if l.err != nil {
		return 0, p, 0, l.err
	}
	a := <-l.answers
	return a.id, a.p, a.pid, nil
}

// A verdict names who asked, though nothing but the answer waited for it.
func TestVerdictNamesWhoIsToldLater(t *testing.T) {
	line := newLine(t)
	b := newBench(t, github, func(c *Config) { c.Line = line })
	c := b.dial("db.example", 5432)
	id := make(chan uint64, 1)
	go func() {
		n := <-line.asked
		line.answer(n, policy.ProgramAt("/usr/bin/psql", nil), 7)
		id <- n
	}()
	check(t, echo(c))
	<-id
	e := b.events.await(t, to("db.example:5432", policy.Allow))
	if e.Program != "/usr/bin/psql" || e.PID != 7 {
		t.Errorf("got %+v", e)
	}
}
