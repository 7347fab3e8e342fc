package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control/hail"
)

type result struct {
	code           int
	stdout, stderr string
}

func (s *server) exec(t testing.TB, run road, stdin string, c spec.Command) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code, err := run(t, t.Context(), s, c, strings.NewReader(stdin), &out, &errOut)
	if err != nil {
		t.Fatal(err)
	}
	return result{code, out.String(), errOut.String()}
}

func sh(text string, args ...string) spec.Command {
	return spec.Command{Argv: append([]string{"sh", "-c", text, "sh"}, args...)}
}

func TestExec(t *testing.T) {
	bothRoads(t, func(t *testing.T, run road) {
		s := newServer(t)
		dir := t.TempDir()
		evil := "a b'\"\\\n$(id)\x1b[31m;é\xff"
		for name, row := range map[string]struct {
			stdin string
			c     spec.Command
			want  result
		}{
			"true":             {"", spec.Command{Argv: []string{"true"}}, result{}},
			"code":             {"", sh("exit 42"), result{code: 42}},
			"streams":          {"", sh("echo out; echo err >&2"), result{0, "out\n", "err\n"}},
			"stdin ends":       {"one\ntwo\n", sh("wc -l"), result{0, "2\n", ""}},
			"arguments as are": {"", spec.Command{Argv: []string{"printf", "%s|", evil[:len(evil)-1], ""}}, result{0, evil[:len(evil)-1] + "||", ""}},
			"folder":           {"", spec.Command{Argv: []string{"pwd"}, Dir: dir}, result{0, dir + "\n", ""}},
			"environment":      {"", spec.Command{Argv: []string{"sh", "-c", "echo $A"}, Env: []string{"A=b c"}}, result{0, "b c\n", ""}},
			"killed":           {"", sh("kill -9 $$"), result{code: 128 + 9}},
			"segfault":         {"", sh("kill -SEGV $$"), result{code: 128 + 11}},
			"not found":        {"", spec.Command{Argv: []string{"/no/such"}}, result{127, "", "nemoclaw: /no/such: fork/exec /no/such: no such file or directory\n"}},
			"not executable":   {"", spec.Command{Argv: []string{"/etc/passwd"}}, result{126, "", "nemoclaw: /etc/passwd: fork/exec /etc/passwd: permission denied\n"}},
		} {
			t.Run(name, func(t *testing.T) {
				if got := s.exec(t, run, row.stdin, row.c); got != row.want {
					t.Errorf("got %#v, want %#v", got, row.want)
				}
			})
		}
	})
}

func TestExecOnATerminal(t *testing.T) {
	s := newServer(t)
	c := sh("test -t 0 && test -t 1 && echo yes; stty size")
	c.TTY = true
	if got := s.exec(t, overSSH, "", c); got.code != 0 || got.stdout != "yes\r\n24 80\r\n" {
		t.Errorf("got %#v", got)
	}
}

func TestLargeStreamsArriveWhole(t *testing.T) {
	bothRoads(t, func(t *testing.T, run road) {
		s := newServer(t)
		data := bytes.Repeat([]byte("0123456789abcdef\n"), 1<<18) // 4.4 MiB each way
		got := s.exec(t, run, string(data), spec.Command{Argv: []string{"cat"}})
		if got.code != 0 || sha256.Sum256([]byte(got.stdout)) != sha256.Sum256(data) {
			t.Errorf("%d of %d bytes came back, code %d", len(got.stdout), len(data), got.code)
		}
	})
}

// A background process that keeps stdout open must not keep the session.
func TestWhatIsLeftBehindDoesNotHold(t *testing.T) {
	bothRoads(t, func(t *testing.T, run road) {
		s := newServer(t)
		began := time.Now()
		got := s.exec(t, run, "", sh("sleep 60 & echo done"))
		if got.stdout != "done\n" || got.code != 0 {
			t.Errorf("got %#v", got)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		if err := s.box.last().Signal(syscall.SIGKILL); err != nil { // the sleep
			t.Error(err)
		}
	})
}

// The output of a program that has long ended waits for a slow reader.
func TestASlowReaderLosesNothing(t *testing.T) {
	bothRoads(t, func(t *testing.T, run road) {
		s := newServer(t)
		const size = 4 << 20 // more than the window
		r, w := io.Pipe()
		code := make(chan int, 1)
		go func() {
			c, err := run(t, t.Context(), s, sh("sleep 60 & head -c 4194304 /dev/zero"), strings.NewReader(""), w, io.Discard)
			if err != nil {
				t.Error(err)
			}
			_ = w.Close()
			code <- c
		}()
		buf := make([]byte, 1<<10)
		n, err := io.ReadFull(r, buf) // it runs
		if err != nil {
			t.Fatal(err)
		}
		slow := time.NewTicker(3 * drain / 64)
		defer slow.Stop()
		for range 64 { // in all, three times as long as a silent stream is waited for
			<-slow.C
			more, err := io.ReadFull(r, buf)
			if err != nil {
				t.Fatal(err)
			}
			n += more
		}
		rest, err := io.Copy(io.Discard, r)
		if err != nil || n+int(rest) != size {
			t.Errorf("read %d of %d bytes, %v", n+int(rest), size, err)
		}
		if c := <-code; c != 0 {
			t.Errorf("code %d", c)
		}
		if err := s.box.last().Signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
}

func TestAClientThatLeaves(t *testing.T) {
	bothRoads(t, func(t *testing.T, run road) {
		for name, row := range map[string]struct {
			text        string
			least, most time.Duration
		}{
			"heeds TERM":   {"echo up; exec sleep 60", 0, mercy},
			"its children": {"sleep 60 & echo up; wait", 0, mercy},
			"ignores TERM": {"trap '' TERM; echo up; sleep 60; sleep 60", mercy, 4 * mercy},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				ctx, leave := context.WithCancel(t.Context())
				r, w := io.Pipe()
				left := make(chan error, 1)
				go func() {
					_, err := run(t, ctx, s, sh(row.text), strings.NewReader(""), w, io.Discard)
					left <- err
				}()
				if _, err := io.ReadFull(r, make([]byte, 3)); err != nil { // "up\n"
					t.Fatal(err)
				}
				began := time.Now()
				leave()
				if err := <-left; !errors.Is(err, context.Canceled) {
					t.Errorf("Exec: %v", err)
				}
				p := s.box.last()
				within(t, row.most+10*time.Second, "the program's end", p.done)
				took := time.Since(began)
				if took < row.least {
					t.Errorf("ended after %v, want at least %v", took, row.least)
				}
				if took > row.most {
					t.Logf("ended after %v, want %v on an idle machine", took, row.most)
				}
				gone(t, -p.cmd.Process.Pid)
			})
		}
	})
}

// gone waits until no process of the group is left.
func gone(t *testing.T, group int) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	limit := time.After(10 * time.Second)
	for syscall.Kill(group, 0) == nil {
		select {
		case <-look.C:
		case <-limit:
			t.Fatal("a process of the group is still there")
		}
	}
}

func TestAClosedChannelEndsItsProgramAlone(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	first, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start("sleep 60"); err != nil {
		t.Fatal(err)
	}
	doomed := s.box.last()
	second, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the first program's end", doomed.done)
	if out, err := second.Output("echo still here"); err != nil || string(out) != "still here\n" {
		t.Errorf("the other channel: %q, %v", out, err)
	}
}

func TestSignalsReachTheProgram(t *testing.T) {
	s := newServer(t)
	c, err := s.client(t).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start("trap 'echo got it; exit 3' USR1; echo up; while :; do sleep 0.01; done"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if err := c.Signal("USR1"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(out); err != nil || string(rest) != "got it\n" {
		t.Errorf("said %q, %v", rest, err)
	}
}

// The sandbox stops while a command runs.
func TestALostConnection(t *testing.T) {
	for name, row := range map[string]struct {
		serve func(context.Context, net.Conn, Box) error
		exec  func(net.Conn, spec.Command, io.Writer) (int, error)
	}{
		"ssh": {
			func(ctx context.Context, c net.Conn, box Box) error { return Serve(ctx, c, testKey(), box) },
			func(c net.Conn, cmd spec.Command, out io.Writer) (int, error) {
				return Exec(t.Context(), c, cmd, strings.NewReader(""), out, io.Discard, false)
			},
		},
		"handed over": {
			func(ctx context.Context, c net.Conn, box Box) error {
				_ = ServeExec(ctx, &carrier{UnixConn: c.(*net.UnixConn)}, box) // that its peer could not be told
				return nil
			},
			func(c net.Conn, cmd spec.Command, out io.Writer) (int, error) {
				if _, err := c.Write(hail.Ask(cmd.Dir, cmd.Env, cmd.Argv)); err != nil {
					return 0, err
				}
				return ExecHere(t.Context(), &carrier{UnixConn: c.(*net.UnixConn)}, nil, strings.NewReader(""), out, io.Discard)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := socketPair(t)
			ctx, stop := context.WithCancel(t.Context())
			box := &localBox{}
			served := make(chan error, 1)
			go func() { served <- row.serve(ctx, theirs, box) }()
			r, w := io.Pipe()
			go func() {
				_, _ = io.ReadFull(r, make([]byte, 3))
				stop()
				_, _ = io.Copy(io.Discard, r)
			}()
			code, err := row.exec(ours, sh("echo up; sleep 60"), w)
			if !errors.Is(err, ErrLost) || code != 0 {
				t.Errorf("Exec = %d, %v, want ErrLost", code, err)
			}
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
			gone(t, -box.last().cmd.Process.Pid)
		})
	}
}

func TestSomethingElseThanSSH(t *testing.T) {
	ours, theirs := socketPair(t)
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), theirs, testKey(), &localBox{}) }()
	if _, err := io.WriteString(ours, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err == nil {
		t.Error("Serve took it for SSH")
	}
}

func BenchmarkExec(b *testing.B) {
	b.Run("ssh", func(b *testing.B) { benchmarkExec(b, overSSH) })
	b.Run("handed over", func(b *testing.B) { benchmarkExec(b, handedOver) })
}

func benchmarkExec(b *testing.B, run road) {
	s := newServer(b)
	for b.Loop() {
		if got := s.exec(b, run, "", spec.Command{Argv: []string{"/bin/true"}}); got.code != 0 {
			b.Fatal(got)
		}
	}
}

// BenchmarkTrue is what of BenchmarkExec is the program alone.
func BenchmarkTrue(b *testing.B) {
	box := &localBox{}
	for b.Loop() {
		p, err := box.Run(b.Context(), spec.Command{Argv: []string{"/bin/true"}})
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := p.Wait(); err != nil {
			b.Fatal(err)
		}
		if err := p.(io.Closer).Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			b.Fatal(err)
		}
	}
}

// A signal to the command line is the program's: it may end as it likes, and
// its exit code is passed on.
func TestExecPassesSignals(t *testing.T) {
	bothRoads(t, func(t *testing.T, run road) {
		s := newServer(t)
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1} {
			t.Run(sig.String(), func(t *testing.T) {
				in, out := io.Pipe()
				ready := make(chan struct{})
				go func() {
					buf := make([]byte, 16)
					if n, _ := in.Read(buf); string(buf[:n]) == "ready\n" {
						close(ready)
					}
					_, _ = io.Copy(io.Discard, in)
				}()
				go func() {
					<-ready
					_ = syscall.Kill(os.Getpid(), sig)
				}()
				c := sh(`trap 'kill $p; exit 42' "$1"; sleep 60 & p=$!; echo ready; wait`, map[syscall.Signal]string{
					syscall.SIGTERM: "TERM", syscall.SIGINT: "INT", syscall.SIGUSR1: "USR1"}[sig])
				code, err := run(t, t.Context(), s, c, strings.NewReader(""), out, io.Discard)
				if err != nil || code != 42 {
					t.Errorf("%v: code %d, %v; want the program's own 42", sig, code, err)
				}
			})
		}
	})
}
