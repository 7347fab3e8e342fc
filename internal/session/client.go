package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Options say how Shell meets the operator. The zero value is this process's
// own terminal.
type Options struct {
	Stdin  *os.File  // nil is os.Stdin
	Stdout io.Writer // nil is os.Stdout
	Term   string    // "" is $TERM
}

// Shell opens a login shell in the sandbox on the operator's terminal and
// returns its exit code. It closes conn. The terminal is as before when it
// returns.
func Shell(ctx context.Context, conn net.Conn, o Options) (code int, err error) {
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	c := call{stdin: o.Stdin, stdout: o.Stdout, stderr: o.Stdout, tty: true, term: o.Term, request: "shell"}
	return c.run(ctx, conn)
}

// Exec runs cmd in the sandbox and returns its exit code: the program's own,
// 128+n when signal n killed it, 127 or 126 when it could not be found or
// executed, 125 when it could not be run at all (why is then on stderr). It
// closes conn. What goes to a terminal, on either stream, is filtered.
func Exec(ctx context.Context, conn net.Conn, cmd spec.Command, stdin io.Reader, stdout, stderr io.Writer, tty bool) (code int, err error) {
	text, err := json.Marshal(cmd)
	if err != nil {
		return 0, fmt.Errorf("exec: %w", err)
	}
	c := call{
		stdin: stdin, stdout: stdout, stderr: stderr, tty: tty,
		request: ownExecName, payload: ssh.Marshal(ownExec{string(text)}),
	}
	return c.run(ctx, conn)
}

// call is one program that the client has run.
type call struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	tty            bool
	term           string
	request        string
	payload        []byte
}

// ErrLost means that the connection ended before the program did, as when the
// sandbox is stopped.
var ErrLost = errors.New("the connection to the sandbox was lost")

func (c call) run(ctx context.Context, conn net.Conn) (int, error) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	code, err := c.over(conn)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s: %w", c.request, ctx.Err())
	}
	return code, err
}

func (c call) over(conn net.Conn) (int, error) {
	config := &ssh.ClientConfig{
		Config: algorithms,
		User:   "sandbox",
		// conn is a socket in a folder that only the operator can write to, and
		// its supervisor listens there under a lock: there is nobody else that
		// could answer, and nothing more that a host key could prove.
		HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error { return nil },
		ClientVersion:   "SSH-2.0-nemoclaw",
	}
	client, channels, requests, err := ssh.NewClientConn(conn, "sandbox", config)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrLost, err)
	}
	defer client.Close()
	go ssh.DiscardRequests(requests) // these two end with conn
	go refuseAll(channels)
	ch, told, err := client.OpenChannel("session", nil)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrLost, err)
	}
	return c.on(ch, told)
}

// refuseAll keeps the sandbox's side from opening anything towards us.
func refuseAll(channels <-chan ssh.NewChannel) {
	for c := range channels {
		_ = c.Reject(ssh.Prohibited, "not offered")
	}
}

// on runs the program on an open channel. Everything up to its start is sent
// without waiting for replies: each would cost a round trip.
func (c call) on(ch ssh.Channel, told <-chan *ssh.Request) (int, error) {
	var heard <-chan os.Signal
	if c.request == ownExecName { // a shell that somebody sits at is left by leaving
		var deaf func()
		heard, deaf = hearSignals() // before the terminal is raw: it is never left so
		defer deaf()
	}
	if c.tty {
		restore, err := c.terminal(ch)
		if err != nil {
			return 0, err
		}
		defer restore()
	}
	started, err := ch.SendRequest(c.request, true, c.payload)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrLost, err)
	}
	if !started {
		return 0, fmt.Errorf("%s: refused by the sandbox", c.request)
	}
	over := make(chan struct{})
	defer close(over)
	go passOn(heard, over, func(s syscall.Signal) {
		_, _ = ch.SendRequest("signal", false, ssh.Marshal(signalRequest{signalName(s)})) // a program that has ended needs none
	})
	go func() { // may wait on a terminal for good; the process ends without it
		_, _ = io.Copy(ch, c.stdin)
		_ = ch.CloseWrite()
	}()
	var outputs sync.WaitGroup
	outputs.Go(func() { show(c.stdout, ch, c.tty) })
	outputs.Go(func() { show(c.stderr, ch.Stderr(), c.tty) })
	code, err := exitCode(told)
	outputs.Wait()
	return code, err
}

// show copies what the program says, filtered where a terminal will interpret
// it. When w fails nobody listens any more, but the rest is still taken: the
// program's exit code comes after it.
func show(w io.Writer, from io.Reader, tty bool) {
	if f, ok := w.(*os.File); tty || ok && term.IsTerminal(int(f.Fd())) {
		s := NewScreen(w)
		defer s.Close()
		w = s
	}
	_, _ = io.Copy(w, from)
	_, _ = io.Copy(io.Discard, from)
}

// exitCode waits for the end of the channel and says how the program ended.
func exitCode(told <-chan *ssh.Request) (int, error) {
	code := -1
	for r := range told {
		var status exitStatus
		var killed exitSignal
		switch {
		case r.Type == "exit-status" && ssh.Unmarshal(r.Payload, &status) == nil:
			code = int(status.Code)
		case r.Type == "exit-signal" && ssh.Unmarshal(r.Payload, &killed) == nil:
			code = 128 + int(signals[killed.Name])
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
	if code < 0 {
		return 0, ErrLost
	}
	return code, nil
}
