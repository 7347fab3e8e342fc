package escape

import (
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Every case inside, where it must be refused and told, and outside, where it
// must succeed.
func TestEscapes(t *testing.T) {
	w := outside(t)
	s := start(t, w, nil)
	for _, p := range s.box.Proofs() {
		t.Logf("proof: %s by %s: %s: %s", p.Wall, p.Layer, p.Tried, p.Got)
	}
	var rows []row
	defer func() { tabulate(rows) }()
	for _, c := range cases() {
		t.Run(strings.ReplaceAll(c.id, " ", "_"), func(t *testing.T) { try(t, s, c, &rows) })
	}
	if out, err := s.run(t, "echo", "still here"); err != nil || !strings.Contains(out, "still here") {
		t.Errorf("the sandbox did not live through its own attacks: %q, %v", out, err)
	}
}

func try(t *testing.T, s *sandbox, c attackCase, rows *[]row) {
	s.edge.forget()
	inside := s.attack(t, c)
	event := strings.ReplaceAll(c.event, "HOST", s.args.Host)
	told := "-"
	if inside.Needs == "" && !inside.Escaped && event != "" {
		told = event
		if !s.edge.sees(event) {
			told = "NOBODY WAS TOLD"
			t.Errorf("%s: nobody was told of %q, only of [%s]", c.id, event, s.edge.list())
		}
	}
	outside := control(t, c)
	t.Logf("%-16s %-10s %s: %v; outside: %v; told: %s", c.id, c.wall, c.name, inside, outside, told)
	f, why := fateOf(c, inside, outside)
	*rows = append(*rows, row{c, f, why, told})
	switch f {
	case escaped, wasMended:
		t.Errorf("%s: %s: %s", c.id, c.name, why)
	case skipped:
		t.Skip(why)
	}
}

// The table names each case once.
func TestCasesAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases() {
		if seen[c.id] || c.name == "" || c.wall == "" || c.attack == nil {
			t.Errorf("%q: twice, or not whole", c.id)
		}
		seen[c.id] = true
	}
	if len(seen) < 50 {
		t.Errorf("%d cases", len(seen))
	}
	t.Logf("%d cases", len(seen))
}

// What an agent's signals do to the sandbox itself: nothing.
func TestSandboxLivesThroughSignals(t *testing.T) {
	s := start(t, outside(t), nil)
	for _, signal := range []string{"1", "2", "3", "6", "9", "11", "15", "19"} {
		out, err := s.run(t, "sh", "-c", "kill -"+signal+" 1; echo $?")
		if err != nil || strings.HasSuffix(strings.TrimSpace(out), "0") {
			t.Errorf("kill -%s 1: %q, %v", signal, out, err)
		}
	}
	// Its own processes it may kill, the spawner among them.
	if _, err := s.run(t, "sh", "-c", "kill -9 -1"); err != nil {
		t.Logf("kill -9 -1: %v", err)
	}
	// Init makes a new spawner; what is asked in that moment fails at once.
	limit := time.Now().Add(patience)
	for {
		out, err := s.run(t, "echo", "still here")
		if err == nil && strings.Contains(out, "still here") {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("after the signals: %q, %v", out, err)
		}
	}
}

// Without a gate nothing flows: a connection fails at once.
func TestNoGateNoTraffic(t *testing.T) {
	s := start(t, outside(t), nil)
	s.edge.leave()
	for _, c := range networkCases() {
		if !strings.HasPrefix(c.event, "tcp ") {
			continue
		}
		begun := time.Now()
		o := s.attack(t, c)
		if o.Escaped || o.Needs != "" {
			t.Errorf("%s: %v", c.id, o)
		}
		if took := time.Since(begun); took > patience {
			t.Errorf("%s: refused only after %v: %v", c.id, took, o)
		}
	}
}

// Two sandboxes have nothing in common, though their user is the same.
func TestTwoSandboxesShareNothing(t *testing.T) {
	a, b := start(t, outside(t), nil), start(t, outside(t), nil)
	leave := `echo secret > /tmp/x; echo secret > /dev/shm/x; exec python3 -c "
import socket,time
s=socket.socket(socket.AF_UNIX);s.bind('\\0two-sandboxes');s.listen()
t=socket.create_server(('127.0.0.1',7777))
print('ready',flush=True);time.sleep(60)"`
	p, err := a.box.Run(t.Context(), spec.Command{Argv: []string{"sh", "-c", leave}})
	check(t, err)
	defer p.Signal(9)
	if n, err := p.Stdout().Read(make([]byte, 16)); err != nil || n == 0 {
		t.Skipf("needs python3 inside: %v", err)
	}
	look := `cat /tmp/x /dev/shm/x; python3 -c "
import socket
for f,a in ((socket.AF_UNIX,'\\0two-sandboxes'),(socket.AF_INET,('127.0.0.1',7777))):
  try: socket.socket(f).connect(a); print('connected')
  except OSError as e: print(e)"; ls /proc | grep -c '^[0-9]'`
	if out, err := a.run(t, "sh", "-c", look); err != nil || strings.Count(out, "secret") != 2 || strings.Count(out, "connected") != 2 {
		t.Fatalf("control, in the same sandbox: %q, %v", out, err)
	}
	if out, err := b.run(t, "sh", "-c", look); err != nil || strings.Contains(out, "secret") || strings.Contains(out, "connected") {
		t.Errorf("from the other sandbox: %q, %v", out, err)
	}
}
