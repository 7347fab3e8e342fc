package session

import (
	"bufio"
	"context"
	"io"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// desk is an operator's terminal: the test types on keys and reads the screen.
type desk struct {
	keys, tty *os.File
	seen      *bufio.Reader
}

func newDesk(t *testing.T, rows, cols uint16) desk {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if master, err = pollable(master); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	if err := setSize(master, rows, cols); err != nil {
		t.Fatal(err)
	}
	return desk{master, slave, bufio.NewReader(master)}
}

func (d desk) types(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(d.keys, text); err != nil {
		t.Fatal(err)
	}
}

// until reads the screen up to text and returns all of it.
func (d desk) until(t *testing.T, text string) string {
	t.Helper()
	if err := d.keys.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for !strings.HasSuffix(all.String(), text) {
		b, err := d.seen.ReadByte()
		if err != nil {
			t.Fatalf("waiting for %q: %v; so far %q", text, err, all.String())
		}
		all.WriteByte(b)
	}
	return all.String()
}

func (d desk) settings(t *testing.T) *unix.Termios {
	t.Helper()
	set, err := unix.IoctlGetTermios(int(d.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

type outcome struct {
	code int
	err  error
}

func (s *server) shell(ctx context.Context, t *testing.T, d desk) <-chan outcome {
	t.Helper()
	done := make(chan outcome, 1)
	conn := s.dial(t)
	go func() {
		code, err := Shell(ctx, conn, Options{Stdin: d.tty, Stdout: d.tty, Term: "xterm-256color"})
		done <- outcome{code, err}
	}()
	return done
}

func TestShellOnARealTerminal(t *testing.T) {
	s := newServer(t)
	d := newDesk(t, 33, 101)
	before := d.settings(t)
	done := s.shell(t.Context(), t, d)

	d.types(t, "PS1='ready''> '; stty -echo\r")
	d.until(t, "ready> ")
	if reflect.DeepEqual(before, d.settings(t)) {
		t.Error("the operator's terminal is not raw")
	}
	d.types(t, "stty size; echo $TERM; tty\r")
	if got := d.until(t, "ready> "); !strings.Contains(got, "33 101\r\nxterm-256color\r\n/dev/pts/") {
		t.Errorf("inside: %q", got)
	}

	// ^C reaches the program, not us.
	d.types(t, "sh -c 'trap \"echo int; exit\" INT; echo up; while :; do sleep 0.01; done'\r")
	d.until(t, "up\r\n")
	d.types(t, "\x03")
	d.until(t, "int\r\n")
	d.until(t, "ready> ")

	// The terminal grows. SIGWINCH comes to us by hand: the terminal is not this
	// test program's own.
	d.types(t, "sh -c 'trap \"stty size\" WINCH; echo armed; while :; do sleep 0.01; done'\r")
	d.until(t, "armed\r\n")
	if err := setSize(d.keys, 44, 111); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	d.until(t, "44 111\r\n")
	d.types(t, "\x03")
	d.until(t, "ready> ")

	d.types(t, "exit 7\r")
	if got := <-done; got.err != nil || got.code != 7 {
		t.Errorf("Shell = %d, %v", got.code, got.err)
	}
	if !reflect.DeepEqual(before, d.settings(t)) {
		t.Error("the operator's terminal is not as it was")
	}
}

// A signal to the command line is the program's also where it has a terminal,
// which is then as before: it is not left raw.
func TestExecOnATerminalPassesSignals(t *testing.T) {
	s := newServer(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			d := newDesk(t, 24, 80)
			before := d.settings(t)
			done := make(chan outcome, 1)
			go func() {
				code, err := Exec(t.Context(), s.dial(t), sh("echo up; exec sleep 60"), d.tty, d.tty, d.tty, true)
				done <- outcome{code, err}
			}()
			d.until(t, "up\r\n")
			if reflect.DeepEqual(before, d.settings(t)) {
				t.Error("the operator's terminal is not raw")
			}
			if err := syscall.Kill(os.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
			if got := <-done; got.err != nil || got.code != 128+int(sig) {
				t.Errorf("Exec = %d, %v; want the program ended by it", got.code, got.err)
			}
			if !reflect.DeepEqual(before, d.settings(t)) {
				t.Error("the operator's terminal is not as it was")
			}
		})
	}
}

func TestShellFiltersAndTidiesUp(t *testing.T) {
	s := newServer(t)
	d := newDesk(t, 24, 80)
	done := s.shell(t.Context(), t, d)
	d.types(t, "PS1='ready''> '; stty -echo\r")
	d.until(t, "ready> ")
	d.types(t, `printf '\033]52;c;aGk=\a\033[6n\033[c\005<\033[31mred\033[0m>\033[?1000h\033[?25l'; exit`+"\r")
	got := d.until(t, "\x1b[0m>")
	if strings.Contains(got, "]52") || strings.Contains(got, "[6n") || strings.Contains(got, "[c") || strings.Contains(got, "\x05") {
		t.Errorf("reached the terminal: %q", got)
	}
	if !strings.Contains(got, "<\x1b[31mred\x1b[0m>") {
		t.Errorf("colours did not: %q", got)
	}
	d.until(t, "\x1b[?25h\x1b[?1000l\x1b[0m") // what the program left behind
	if got := <-done; got.err != nil {
		t.Error(got.err)
	}
}

// The operator's window closes: the interactive shell inside, which ignores
// TERM, must not stay.
func TestAShellWhoseOperatorLeaves(t *testing.T) {
	s := newServer(t)
	d := newDesk(t, 24, 80)
	before := d.settings(t)
	ctx, leave := context.WithCancel(t.Context())
	done := s.shell(ctx, t, d)
	d.types(t, "echo u''p\r")
	d.until(t, "up\r\n")
	leave()
	if got := <-done; got.err == nil {
		t.Error("Shell ended without a reason")
	}
	within(t, 20*time.Second, "the shell's end", s.box.last().done)
	if !reflect.DeepEqual(before, d.settings(t)) {
		t.Error("the operator's terminal is not as it was")
	}
}
