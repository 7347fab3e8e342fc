package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a person waits for something to appear.
const patience = 60 * time.Second

// person STEPS COMMAND … runs a command on a terminal of 100×45 and does what
// the file STEPS says, a step a line:
//
//	see TEXT     wait until the screen shows it
//	gone TEXT    wait until the screen no longer shows it
//	type TEXT    press these keys
//	key NAME     press this one, as tmux calls it: Enter, Escape, Down, C-c
//
// The command's exit code is shown as "[ended CODE]".
func person(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: person STEPS COMMAND …")
	}
	t := openTerminal(ts, args[1:])
	defer t.close()
	for n, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb == "" || strings.HasPrefix(verb, "#") {
			continue
		}
		if err := t.step(verb, rest); err != nil {
			ts.Fatalf("%s:%d: %s: %v; the screen:\n%s", args[0], n+1, line, err, t.last)
		}
	}
}

// terminal is a tmux server with one pane, spoken to in control mode: it says
// when the screen changes, so nothing is waited for blindly.
type terminal struct {
	socket string
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	last   string // the screen as it was last seen
}

const settings = `
set -g remain-on-exit on
set -g status off
set -g escape-time 0
set -g default-terminal xterm-256color
`

func openTerminal(ts *testscript.TestScript, command []string) *terminal {
	dir, err := os.MkdirTemp("", "t")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	conf := filepath.Join(dir, "conf")
	ts.Check(os.WriteFile(conf, []byte(settings), 0o600))
	t := &terminal{socket: filepath.Join(dir, "s"), lines: make(chan string, 10000)}
	quoted := make([]string, len(command))
	for i, c := range command {
		quoted[i] = "'" + strings.ReplaceAll(c, "'", `'\''`) + "'"
	}
	// The pane outlives the command, so that its last words are not lost.
	shell := strings.Join(quoted, " ") + `; printf '\n[ended %d]\n' $?; exec cat`
	start := exec.Command("tmux", "-S", t.socket, "-f", conf, "new-session", "-d", "-x", "100", "-y", "45", "-c", ts.Getenv("WORK"), "/bin/sh", "-c", shell)
	start.Env = environment(ts)
	if out, err := start.CombinedOutput(); err != nil {
		ts.Fatalf("tmux: %v: %s", err, out)
	}
	t.cmd = exec.Command("tmux", "-S", t.socket, "-C", "attach")
	t.cmd.Env = start.Env
	t.in, err = t.cmd.StdinPipe()
	ts.Check(err)
	out, err := t.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(t.cmd.Start())
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			t.lines <- s.Text()
		}
		close(t.lines)
	}()
	return t
}

func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, k := range []string{"HOME", "NEMOCLAW_HOME", "OLLAMA", "PATH", "TMPDIR", "WORK", "LC_ALL", "TERM", "REPO", "NEMOCLAW_RELEASE_URL"} {
		if v := ts.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

func (t *terminal) close() {
	_ = exec.Command("tmux", "-S", t.socket, "kill-server").Run()
	t.in.Close()
	for range t.lines {
	}
	_ = t.cmd.Wait()
}

func (t *terminal) step(verb, rest string) error {
	switch verb {
	case "see":
		return t.await(func(screen string) bool { return strings.Contains(screen, rest) })
	case "gone":
		return t.await(func(screen string) bool { return !strings.Contains(screen, rest) })
	case "type":
		return t.tell("send-keys -l '" + strings.ReplaceAll(rest, "'", `'\''`) + "'")
	case "key":
		return t.tell("send-keys " + rest)
	}
	return fmt.Errorf("unknown step %q", verb)
}

func (t *terminal) tell(command string) error {
	_, err := t.ask(command)
	return err
}

// ask gives tmux a command and takes its answer, which stands between %begin
// and %end.
func (t *terminal) ask(command string) (string, error) {
	if _, err := fmt.Fprintln(t.in, command); err != nil {
		return "", err
	}
	late := time.After(patience)
	var answer []string
	for inside := false; ; {
		select {
		case line, ok := <-t.lines:
			switch {
			case !ok:
				return "", io.ErrUnexpectedEOF
			case strings.HasPrefix(line, "%begin") && strings.HasSuffix(line, " 1"):
				inside = true
			case inside && strings.HasPrefix(line, "%end"):
				return strings.Join(answer, "\n"), nil
			case inside && strings.HasPrefix(line, "%error"):
				return "", fmt.Errorf("tmux: %s", strings.Join(answer, " "))
			case inside:
				answer = append(answer, line)
			}
		case <-late:
			return "", os.ErrDeadlineExceeded
		}
	}
}

// await looks at the screen each time it changes.
func (t *terminal) await(holds func(string) bool) error {
	late := time.After(patience)
	for {
		screen, err := t.ask("capture-pane -p")
		if err != nil {
			return err
		}
		t.last = screen
		if holds(screen) {
			return nil
		}
		select {
		case _, ok := <-t.lines:
			if !ok {
				return io.ErrUnexpectedEOF
			}
		case <-late:
			return os.ErrDeadlineExceeded
		}
	}
}
