package supervisor

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch"
)

// A command that is stopped with everything inside heeds no signal: its operator
// could not leave it. So whoever runs one is told why nothing moves, and what asks it
// to end does so. It is not let go on for that: it would write where nothing is left.

// mercy is how long a pause may last, once a command was asked to end, before that is
// done without it.
const mercy = 2 * time.Second

// interruptKey is what Ctrl-C sends; see termios(3), VINTR.
const interruptKey = 3

// pausable is a command that may be paused. It implements session.Process.
type pausable struct {
	*launch.Process
	why   chan string // of a pause that its operator was not told of; has room for one
	still atomic.Bool // it is paused
}

// Paused waits until the command is paused, and says why; ctx ends the wait.
func (p *pausable) Paused(ctx context.Context) (why string) {
	select {
	case why = <-p.why:
	case <-ctx.Done():
	}
	return why
}

// Signal sends s to the command's process group. Where it means the end, a pause does
// not keep it from that.
func (p *pausable) Signal(s syscall.Signal) error {
	switch s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
		p.leave()
	}
	return p.Process.Signal(s)
}

// leave ends the command if it is paused, and still is after mercy.
func (p *pausable) leave() {
	if !p.still.Load() {
		return
	}
	time.AfterFunc(mercy, func() {
		if p.still.Load() {
			_ = p.Process.Signal(syscall.SIGKILL) // without its sandbox it has ended
		}
	})
}

// Stdin writes to the command. With a terminal, Ctrl-C is a signal like the others.
func (p *pausable) Stdin() io.WriteCloser {
	if p.Process.Stderr() != nil {
		return p.Process.Stdin()
	}
	return keys{p.Process.Stdin(), p}
}

type keys struct {
	io.WriteCloser
	of *pausable
}

func (k keys) Write(b []byte) (int, error) {
	if bytes.IndexByte(b, interruptKey) >= 0 {
		k.of.leave()
	}
	return k.WriteCloser.Write(b)
}

// commands are those that a pause stops: those that were started before it.
type commands struct {
	mu  sync.Mutex
	all map[*pausable]struct{} // protected by mu
}

// run starts a command inside, see launch.Box.Run.
func (a *commands) run(ctx context.Context, box *launch.Box, c spec.Command) (*pausable, error) {
	p := &pausable{why: make(chan string, 1)}
	a.add(p) // before it is asked for: no pause that stops it goes untold
	started, err := box.Run(ctx, c)
	if err != nil {
		a.drop(p)
		return nil, err
	}
	p.Process = started
	go func() { // ends with the command
		<-started.Done()
		a.drop(p)
	}()
	return p, nil
}

func (a *commands) add(p *pausable) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[*pausable]struct{}{}
	}
	a.all[p] = struct{}{}
}

func (a *commands) drop(p *pausable) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, p)
}

// pause tells every command that it is paused, and why.
func (a *commands) pause(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := range a.all {
		p.still.Store(true)
		select {
		case p.why <- why + "; Ctrl-C or TERM ends this command":
		default: // the last one was not told yet
		}
	}
}

func (a *commands) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := range a.all {
		p.still.Store(false)
	}
}
