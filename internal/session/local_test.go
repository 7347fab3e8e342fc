package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// localBox runs commands as plain processes of this machine, with pipes and
// terminals as the real box has them. It counts those that live.
type localBox struct {
	mu      sync.Mutex
	pauses  chan string     // protected by mu: why one comes; nil is never
	started []*localProcess // protected by mu
	dialled []string        // protected by mu
}

func (b *localBox) Run(_ context.Context, c spec.Command) (Process, error) {
	if len(c.Argv) == 0 {
		c.Argv = []string{"bash", "-l"}
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nowhere"}, c.Env...)
	cmd.Dir = c.Dir
	start := startPiped
	if c.TTY {
		start = startOnTerminal
	}
	p, err := start(cmd, c)
	if err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.started = append(b.started, p)
	p.pauses = b.pauses
	return p, nil
}

func (b *localBox) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	b.mu.Lock()
	b.dialled = append(b.dialled, addr)
	b.mu.Unlock()
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// last is the process started last.
func (b *localBox) last() *localProcess {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.started[len(b.started)-1]
}

type localProcess struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr io.Reader
	terminal       *os.File
	done           chan struct{}
	err            error // valid when done is closed
	pauses         <-chan string
}

func (p *localProcess) Paused(ctx context.Context) (why string) {
	select {
	case why = <-p.pauses:
	case <-ctx.Done():
	}
	return why
}

func startPiped(cmd *exec.Cmd, _ spec.Command) (*localProcess, error) {
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stderr, errOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	for _, f := range []*os.File{in, out, errOut} {
		_ = f.Close()
	}
	return &localProcess{cmd: cmd, stdin: stdin, stdout: stdout, stderr: stderr, done: make(chan struct{})}, err
}

func startOnTerminal(cmd *exec.Cmd, c spec.Command) (*localProcess, error) {
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: c.Rows, Cols: c.Cols})
	if err != nil {
		return nil, err
	}
	f, err := pollable(master)
	if err != nil {
		return nil, err
	}
	return &localProcess{cmd: cmd, stdin: typist{f}, stdout: screenOf{f}, terminal: f, done: make(chan struct{})}, nil
}

// pollable is f with deadlines. The pty package asks for f's number, which
// makes a file blocking.
func pollable(f *os.File) (*os.File, error) {
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), f.Close()
}

// setSize leaves f pollable, which pty.Setsize does not.
func setSize(f *os.File, rows, cols uint16) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	return errors.Join(err, set)
}

type typist struct{ *os.File }

func (t typist) Close() error { _, err := t.Write([]byte{4}); return err }

type screenOf struct{ *os.File }

func (s screenOf) Read(b []byte) (int, error) {
	n, err := s.File.Read(b)
	if errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

func (p *localProcess) Stdin() io.WriteCloser { return p.stdin }
func (p *localProcess) Stdout() io.Reader     { return p.stdout }
func (p *localProcess) Stderr() io.Reader     { return p.stderr }
func (p *localProcess) Resize(rows, cols uint16) error {
	return setSize(p.terminal, rows, cols)
}
func (p *localProcess) Signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }
func (p *localProcess) Wait() (int, syscall.Signal, error) {
	<-p.done
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 0, status.Signal(), nil
	}
	return status.ExitStatus(), 0, nil
}
func (p *localProcess) Close() error {
	if p.terminal != nil {
		return p.terminal.Close()
	}
	return errors.Join(p.stdin.Close(), p.stdout.(io.Closer).Close(), p.stderr.(io.Closer).Close())
}

// testKey is made once: its making is none of what is tested.
var testKey = sync.OnceValue(func() ssh.Signer {
	file, err := NewKey("test")
	if err != nil {
		panic(err)
	}
	key, err := ParseKey(file)
	if err != nil {
		panic(err)
	}
	return key
})

// server is Serve on a Unix socket and ServeExec on another, one goroutine a
// connection, as a supervisor has them.
type server struct {
	box  *localBox
	path string
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{box: &localBox{}, path: filepath.Join(t.TempDir(), "s")}
	key := testKey()
	listen(t, s.path, func(ctx context.Context, conn net.Conn) error { return Serve(ctx, conn, key, s.box) })
	listen(t, s.path+".exec", func(ctx context.Context, conn net.Conn) error {
		return ServeExec(ctx, &carrier{UnixConn: conn.(*net.UnixConn)}, s.box)
	})
	return s
}

func listen(t testing.TB, path string, serve func(context.Context, net.Conn) error) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				if err := serve(ctx, conn); err != nil {
					t.Log("serve:", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = ln.Close()
		all.Wait() // every server ends
	})
}

func (s *server) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// client is a bare SSH client, for what Shell and Exec never ask.
func (s *server) client(t testing.TB) *ssh.Client {
	t.Helper()
	conn, channels, requests, err := ssh.NewClientConn(s.dial(t), "", &ssh.ClientConfig{
		HostKeyCallback: ssh.FixedHostKey(testKey().PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := ssh.NewClient(conn, channels, requests)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// within fails the test when what does not happen soon.
func within(t testing.TB, limit time.Duration, what string, happened <-chan struct{}) {
	t.Helper()
	select {
	case <-happened:
	case <-time.After(limit):
		t.Fatal(what + fmt.Sprintf(": not within %v", limit))
	}
}
