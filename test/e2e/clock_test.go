package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// A grant for an hour ends after an hour in which the machine slept and somebody
// set its clock back: at the earlier of both clocks. Until then it holds, across
// restarts.
func TestGrantEndsAfterASleep(t *testing.T) {
	b := newShell(t, asking)
	r, id := b.ask("/first")
	b.do("approvals", "allow", id, "--for", "1h")
	if e := b.end(r); e.code != 0 {
		t.Fatalf("the held one: %s", e)
	}
	for _, asleep := range []time.Duration{0, 50 * time.Minute} {
		b.wake(asleep)
		path := fmt.Sprintf("/after-%d", asleep)
		if e := b.exec("curl", "-sS", "--fail", "https://"+newcomer+path); e.code != 0 || !strings.Contains(e.out, path) {
			t.Errorf("%s asleep: %s", asleep, e)
		}
	}
	arrived := len(b.world.To(newcomer))

	b.wake(2 * time.Hour)
	r, id = b.ask("/late")
	b.do("approvals", "deny", id)
	if e := b.end(r); e.code == 0 {
		t.Errorf("let through after the grant's end: %s", e)
	}
	if n := len(b.world.To(newcomer)); n != arrived {
		t.Errorf("%d arrived after the grant's end", n-arrived)
	}
}

// wake starts b anew on a machine that has meanwhile slept, by its boot-time
// clock; the wall clock knows nothing of it. See time_namespaces(7).
func (b *box) wake(asleep time.Duration) {
	b.Helper()
	within := []string{"unshare", "--time", "--boottime", fmt.Sprint(int(asleep.Seconds())), "--fork"}
	if os.Geteuid() != 0 {
		within = append(within, "--user", "--map-current-user")
	}
	b.startWithin(within...)
}

// startWithin starts b anew by another program.
func (b *box) startWithin(argv ...string) {
	b.Helper()
	b.do("stop")
	c := b.command(b.Context(), nil, b.name, "start")
	path, err := exec.LookPath(argv[0])
	if err != nil {
		b.Fatal(err)
	}
	c.Path, c.Args = path, slices.Concat(argv, c.Args)
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("start by %v: %v\n%s", argv, err, out)
	}
}
