package session

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control/hail"
)

// carrier is a Handover as the control socket has it.
type carrier struct {
	*net.UnixConn
	fds []int
}

func (c *carrier) Read(p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4*3))
	n, oobn, _, _, err := c.ReadMsgUnix(p, oob)
	if oobn > 0 {
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(messages) == 1 {
			c.fds, _ = unix.ParseUnixRights(&messages[0])
		}
	}
	return max(n, 0), err
}

func (c *carrier) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(c, b[:])
	return b[0], err
}

func (c *carrier) Hand(b []byte, fds ...int) error {
	_, _, err := c.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	return err
}

func (c *carrier) Take() []int { return c.fds }

// road is one of the two ways to run a command.
type road func(t testing.TB, ctx context.Context, s *server, c spec.Command, stdin io.Reader, stdout, stderr io.Writer) (int, error)

func overSSH(t testing.TB, ctx context.Context, s *server, c spec.Command, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	return Exec(ctx, s.dial(t), c, stdin, stdout, stderr, c.TTY)
}

func handedOver(t testing.TB, ctx context.Context, s *server, c spec.Command, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	conn, err := net.Dial("unix", s.path+".exec")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(hail.Ask(c.Dir, c.Env, c.Argv)); err != nil {
		t.Fatal(err)
	}
	got := make(chan os.Signal, 16)
	signal.Notify(got, Passed...)
	defer signal.Stop(got)
	return ExecHere(ctx, &carrier{UnixConn: conn.(*net.UnixConn)}, got, stdin, stdout, stderr)
}

// bothRoads runs a test for each: nobody is to notice which one it was.
func bothRoads(t *testing.T, test func(*testing.T, road)) {
	t.Run("ssh", func(t *testing.T) { test(t, overSSH) })
	t.Run("handed over", func(t *testing.T) { test(t, handedOver) })
}

// What is no command starts nothing, and gets no descriptor.
func TestNoCommandIsHandedOver(t *testing.T) {
	for name, text := range map[string]string{
		"no word":    "SSH-2.0-x\r\n",
		"a signal":   string(frame(spec.Message{Op: spec.OpSignal, Signal: 9})),
		"no program": string(hail.Ask("/", nil, nil)),
		"cut short":  "atrue\x00",
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := socketPair(t)
			box := &localBox{}
			served := make(chan error, 1)
			go func() { served <- ServeExec(t.Context(), &carrier{UnixConn: theirs.(*net.UnixConn)}, box) }()
			if _, err := io.WriteString(ours, text); err != nil {
				t.Fatal(err)
			}
			if err := ours.(*net.UnixConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := <-served; err == nil {
				t.Error("no error")
			}
			if b, err := io.ReadAll(ours); len(b) > 0 {
				t.Errorf("answered %q, %v", b, err)
			}
			if len(box.started) > 0 {
				t.Error("something was started")
			}
		})
	}
}

// A peer may send the signals that have names, and no other number.
func TestHeedKnownSignals(t *testing.T) {
	ours, theirs := socketPair(t)
	got := &signalled{}
	done := make(chan struct{})
	go func() { heed(&carrier{UnixConn: theirs.(*net.UnixConn)}, got); close(done) }()
	for _, n := range []int{0, -1, int(syscall.SIGSTOP), 64, 1 << 20, int(syscall.SIGUSR1)} {
		if _, err := ours.Write(frame(spec.Message{Op: spec.OpSignal, Signal: n})); err != nil {
			t.Fatal(err)
		}
	}
	ours.Close()
	<-done
	if len(got.all) != 1 || got.all[0] != syscall.SIGUSR1 {
		t.Errorf("got %v", got.all)
	}
}

type signalled struct {
	Process
	all []syscall.Signal
}

func (s *signalled) Signal(n syscall.Signal) error { s.all = append(s.all, n); return nil }

// Who runs a command is told each time that it is paused, and then how it ended.
func TestAPauseIsTold(t *testing.T) {
	bothRoads(t, func(t *testing.T, run road) {
		s := newServer(t)
		pauses := make(chan string)
		s.box.mu.Lock()
		s.box.pauses = pauses
		s.box.mu.Unlock()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		said := make(chan string)
		go func() {
			for lines := bufio.NewScanner(r); lines.Scan(); {
				said <- lines.Text()
			}
		}()
		in, stdin := io.Pipe()
		code := make(chan int, 1)
		go func() {
			c, err := run(t, t.Context(), s, sh("read -r line; exit 7"), in, io.Discard, w)
			if err != nil {
				t.Error(err)
			}
			code <- c
		}()
		for _, why := range []string{"no room", "no room again"} {
			pauses <- why
			if got := <-said; got != "nemoclaw: "+why {
				t.Errorf("told %q", got)
			}
		}
		if _, err := io.WriteString(stdin, "go\n"); err != nil {
			t.Fatal(err)
		}
		if c := <-code; c != 7 {
			t.Errorf("code %d", c)
		}
	})
}
