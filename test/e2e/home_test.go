package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

// patience is how long a test waits for what must happen; a busy machine may
// take most of it.
const patience = 90 * time.Second

// home is a state folder with nothing in it, and the world outside.
type home struct {
	*testing.T
	world *internet.World
	dir   string // $NEMOCLAW_HOME
	env   []string
}

// newHome makes one. Whatever still runs in it when the test ends is destroyed.
func newHome(t *testing.T) *home {
	t.Helper()
	world := internet.Use(t)
	if _, err := os.Stat(program); err != nil {
		t.Skip("needs bin/nemoclaw: run make build")
	}
	for _, l := range host.Look().Missing() {
		if !l.Advice {
			t.Skip("needs " + l.Error())
		}
	}
	own, err := os.MkdirTemp("", "e2e-") // t.TempDir has the test's name in it, which is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(own) })
	h := &home{T: t, world: world, dir: filepath.Join(own, "state")}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "HOME=") && !strings.HasPrefix(e, "NEMOCLAW_HOME=") && !strings.HasPrefix(e, "TMPDIR=") {
			h.env = append(h.env, e)
		}
	}
	// Others may use the machine's own temporary folder meanwhile, see census.
	if err := os.Mkdir(h.tmp(), 0o700); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "HOME="+own, "NEMOCLAW_HOME="+h.dir, "TMPDIR="+h.tmp(), "TERM=xterm-256color")
	t.Cleanup(h.end)
	return h
}

// tmp is where what it starts keeps its temporary files.
func (h *home) tmp() string { return filepath.Join(filepath.Dir(h.dir), "tmp") }

// end destroys what is left, and holds that no control group is; a test that
// failed shows its logs first.
func (h *home) end() {
	entries, _ := os.ReadDir(h.dir)
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(h.dir, e.Name(), "sandbox.yaml")); err != nil {
			continue
		}
		if h.Failed() {
			for _, log := range []string{"run/agent.log", "run/supervisor.log"} {
				b, _ := os.ReadFile(filepath.Join(h.dir, e.Name(), log))
				h.Logf("%s of %s:\n%s", log, e.Name(), b)
			}
		}
		if r := h.run(context.Background(), nil, e.Name(), "destroy", "--yes"); r.code != 0 {
			h.Errorf("clean up: %s", r)
		}
	}
	if left := h.cgroups(); len(left) > 0 {
		h.Errorf("left: control groups: %q", left)
	}
}

// result is how a run of the program ended.
type result struct {
	args     []string
	out, err string
	code     int
}

func (r result) String() string {
	return "nemoclaw " + strings.Join(r.args, " ") + ": code " + string(rune('0'+r.code/100)) + string(rune('0'+r.code/10%10)) + string(rune('0'+r.code%10)) +
		"\nstdout: " + r.out + "\nstderr: " + r.err
}

func (h *home) command(ctx context.Context, stdin io.Reader, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, args...)
	c.Env, c.Stdin = h.env, stdin
	c.WaitDelay = 5 * time.Second // a child that kept our pipe must not hold us
	return c
}

func (h *home) run(ctx context.Context, stdin io.Reader, args ...string) result {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	return h.runFor(ctx, stdin, args...)
}

// runFor is run for as long as ctx lasts.
func (h *home) runFor(ctx context.Context, stdin io.Reader, args ...string) result {
	c := h.command(ctx, stdin, args...)
	var out, err bytes.Buffer
	c.Stdout, c.Stderr = &out, &err
	failed := c.Run()
	if failed != nil && !errors.As(failed, new(*exec.ExitError)) {
		h.Errorf("nemoclaw %s: %v", strings.Join(args, " "), failed)
	}
	return result{args, out.String(), err.String(), c.ProcessState.ExitCode()}
}

// nemoclaw runs the program to its end.
func (h *home) nemoclaw(args ...string) result { return h.run(h.Context(), nil, args...) }

// must runs the program, which has to succeed, and returns what it printed.
func (h *home) must(args ...string) string {
	h.Helper()
	r := h.nemoclaw(args...)
	if r.code != 0 {
		h.Fatal(r)
	}
	return r.out
}

// refuses runs the program, which has to end with code and say all of words.
func (h *home) refuses(code int, words []string, args ...string) result {
	h.Helper()
	r := h.nemoclaw(args...)
	if r.code != code {
		h.Errorf("%s\nwant code %d", r, code)
	}
	for _, w := range words {
		if !strings.Contains(r.err, w) {
			h.Errorf("%s\nwant %q on stderr", r, w)
		}
	}
	return r
}

// box is a sandbox in a home.
type box struct {
	*home
	name string
}

// shell makes a sandbox with nothing but the system in it, and its network
// policy.
func (h *home) shell(name, policy string, flags ...string) *box {
	h.Helper()
	h.must(append([]string{"onboard", "--yes", "--agent", "none", "--inference-url", modelServer(h.T), "--model", "tiny", "--name", name}, flags...)...)
	b := &box{h, name}
	if policy != "" {
		b.policy(policy)
	}
	return b
}

func newShell(t *testing.T, policy string, flags ...string) *box {
	t.Helper()
	return newHome(t).shell("box", policy, flags...)
}

// do runs a verb of the sandbox, which has to succeed.
func (b *box) do(args ...string) string {
	b.Helper()
	return b.must(append([]string{b.name}, args...)...)
}

func (b *box) exec(argv ...string) result {
	return b.nemoclaw(append([]string{b.name, "exec", "--"}, argv...)...)
}

func (b *box) sh(script string) result { return b.exec("bash", "-c", script) }

// prints holds that script prints exactly out, without its last newline.
func (b *box) prints(out, script string) {
	b.Helper()
	if r := b.sh(script); r.code != 0 || strings.TrimSuffix(r.out, "\n") != out {
		b.Errorf("%s\nwant %q", r, out)
	}
}

// needs skips a test for which a program is missing inside.
func (b *box) needs(name string) {
	b.Helper()
	if r := b.sh("command -v " + name); r.code != 0 {
		b.Skip("needs " + name + " in /usr")
	}
}

// put writes a file into the sandbox, along the sandbox's own road.
func (b *box) put(path string, data []byte) {
	b.Helper()
	r := b.run(b.Context(), bytes.NewReader(data), b.name, "exec", "--", "bash", "-c", `cat > "$0" && chmod 755 "$0"`, path)
	if r.code != 0 {
		b.Fatal(r)
	}
}

func (b *box) file(name string) string { return filepath.Join(b.dir, b.name, name) }

func (b *box) policyFile() string { return b.file("network-policy.yaml") }

// policy saves a network policy and sees to it that it is in force.
func (b *box) policy(text string) {
	b.Helper()
	b.save(b.policyFile(), text)
	b.do("reload-policy")
}

// save writes as an editor does.
func (b *box) save(path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (b *box) text(path string) string {
	b.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return string(data)
}

// status is what `status --json` prints, whether all is well or not.
func (b *box) status() control.Status {
	b.Helper()
	var st control.Status
	r := b.nemoclaw(b.name, "status", "--json")
	if err := json.Unmarshal([]byte(r.out), &st); err != nil {
		b.Fatalf("%s: %v", r, err)
	}
	return st
}

func (b *box) approvals() []control.Approval {
	b.Helper()
	var all []control.Approval
	if err := json.Unmarshal([]byte(b.do("approvals", "list", "--json")), &all); err != nil {
		b.Fatal(err)
	}
	return all
}

// held waits for a question about host that a connection waits on.
func (b *box) held(host string) control.Approval {
	b.Helper()
	var found control.Approval
	b.await("a held question about "+host, func() bool {
		for _, q := range b.approvals() {
			if q.Host == host && q.State == "pending" && q.Held > 0 {
				found = q
			}
		}
		return found.ID != ""
	})
	return found
}

// events are the lines of the book.
func (b *box) events() []audit.Event {
	b.Helper()
	return lines[audit.Event](b, b.do("audit", "tail", "--json", "-n", "10000"))
}

func lines[E any](b *box, text string) (all []E) {
	b.Helper()
	for line := range strings.Lines(text) {
		var e E
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			b.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// event waits until the book has one like that.
func (b *box) event(what string, like func(audit.Event) bool) (found audit.Event) {
	b.Helper()
	b.await("an event: "+what, func() bool {
		all := b.events()
		i := slices.IndexFunc(all, like)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// await asks again and again until it holds, and leaves as long as asking takes in
// between: where that is slow, what is waited for is slow too, and needs the processors.
func (h *home) await(what string, holds func() bool) {
	h.Helper()
	late := time.After(patience)
	for {
		asked := time.Now()
		if holds() {
			return
		}
		select {
		case <-time.After(max(20*time.Millisecond, time.Since(asked))):
		case <-late:
			h.Fatalf("%s did not come within %s", what, patience)
		case <-h.Context().Done():
			h.Fatal(h.Context().Err())
		}
	}
}

// running is a run of the program that goes on.
type running struct {
	*exec.Cmd
	in   io.WriteCloser
	out  *said
	done chan result
}

// start runs the program and does not wait.
func (h *home) start(args ...string) *running {
	h.Helper()
	c := h.command(h.Context(), nil, args...)
	out, errs := newSaid(), newSaid()
	in, err := c.StdinPipe()
	if err != nil {
		h.Fatal(err)
	}
	c.Stdout, c.Stderr = out, errs
	if err := c.Start(); err != nil {
		h.Fatal(err)
	}
	r := &running{c, in, out, make(chan result, 1)}
	go func() {
		_ = c.Wait() // the code says it
		r.done <- result{args, out.String(), errs.String(), c.ProcessState.ExitCode()}
	}()
	return r
}

func (b *box) start(argv ...string) *running {
	b.Helper()
	return b.home.start(append([]string{b.name, "exec", "--"}, argv...)...)
}

// end waits for its end.
func (b *box) end(r *running) result {
	b.Helper()
	return b.home.endOf(r)
}

func (h *home) endOf(r *running) result {
	h.Helper()
	select {
	case e := <-r.done:
		r.done <- e // who asks again is told again
		return e
	case <-time.After(patience):
		h.Fatalf("nemoclaw %v did not end within %s; it said %q", r.Args[1:], patience, r.out)
		return result{}
	}
}

// sees waits until the program has printed word.
func (h *home) sees(r *running, word string) {
	h.Helper()
	if !r.out.await(word, patience) {
		h.Fatalf("nemoclaw %v did not print %q within %s; it said %q", r.Args[1:], word, patience, r.out)
	}
}
