package live

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must appear; a busy machine may
// take most of it.
const patience = 60 * time.Second

// terminal is a tmux server with one pane. Its control mode says when the
// screen changes, so that nothing is waited for blindly.
type terminal struct {
	*testing.T
	in    io.Writer
	lines chan string
}

const configuration = `
set -g remain-on-exit on
set -g status off
set -g escape-time 0
set -g default-terminal tmux-256color
`

// open runs a command on a terminal of 80×24; when it ends, the screen shows
// "[ended CODE]".
func open(t *testing.T, env []string, command string) *terminal {
	t.Helper()
	dir, err := os.MkdirTemp("", "term-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, conf := filepath.Join(dir, "s"), filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	start := exec.Command("tmux", "-S", socket, "-f", conf, "new-session", "-d", "-x", "80", "-y", "24", command+`; printf '\n[ended %d]\n' $?; exec cat`)
	start.Env = env
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	c := exec.Command("tmux", "-S", socket, "-C", "attach")
	c.Env = env
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &terminal{t, in, make(chan string, 10000)}
	go func() {
		for r := bufio.NewScanner(out); r.Scan(); {
			s.lines <- r.Text()
		}
		close(s.lines)
	}()
	t.Cleanup(func() {
		kill := exec.Command("tmux", "-S", socket, "kill-server")
		kill.Env = env
		_ = kill.Run()
		for range s.lines {
		}
		_ = c.Wait()
	})
	return s
}

// tell gives tmux a command and takes its answer, which stands between %begin
// and %end.
func (s *terminal) tell(command string) string {
	s.Helper()
	if _, err := fmt.Fprintln(s.in, command); err != nil {
		s.Fatal(err)
	}
	late := time.After(patience)
	var answer []string
	for inside := false; ; {
		select {
		case line, living := <-s.lines:
			switch {
			case !living:
				s.Fatalf("%s: tmux is gone", command)
			case strings.HasPrefix(line, "%begin") && strings.HasSuffix(line, " 1"):
				inside = true
			case inside && strings.HasPrefix(line, "%end"):
				return strings.Join(answer, "\n")
			case inside && strings.HasPrefix(line, "%error"):
				s.Fatalf("%s: %s", command, strings.Join(answer, " "))
			case inside:
				answer = append(answer, line)
			}
		case <-late:
			s.Fatalf("%s: no answer within %s", command, patience)
		}
	}
}

func (s *terminal) screen() string { return s.tell("capture-pane -p") }

// press types keys, as tmux calls them.
func (s *terminal) press(keys string) { s.Helper(); s.tell("send-keys " + keys) }

// see waits until the screen shows all of words.
func (s *terminal) see(words ...string) string {
	s.Helper()
	return s.await(fmt.Sprintf("no %q", words), func(screen string) bool {
		for _, w := range words {
			if !strings.Contains(screen, w) {
				return false
			}
		}
		return true
	})
}

// gone waits until it no longer shows word.
func (s *terminal) gone(word string) {
	s.Helper()
	s.await("still "+word, func(screen string) bool { return !strings.Contains(screen, word) })
}

// await looks at the screen each time it changes.
func (s *terminal) await(what string, holds func(string) bool) string {
	s.Helper()
	late := time.After(patience)
	for {
		screen := s.screen()
		if holds(screen) {
			return screen
		}
		select {
		case _, living := <-s.lines:
			if !living {
				s.Fatalf("tmux is gone; the screen:\n%s", screen)
			}
		case <-late:
			s.Fatalf("%s on the screen:\n%s", what, screen)
		}
	}
}
