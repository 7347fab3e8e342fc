package throwaway

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/early"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/launch"
)

// Sandbox is one that is being raised. Its methods are for one goroutine.
type Sandbox struct {
	// Place is its own, which the caller removes; zero where none could be made.
	Place Place
	// Signals are the command's, from when there was something to leave behind.
	Signals <-chan os.Signal

	stop context.CancelFunc
	done chan struct{} // closed when box or err is there
	box  *launch.Box
	err  error

	taken bool // by Wait or Drop
}

// What was begun. Set once, here, before anybody can look.
var begun *Sandbox

// Not a registration: this is as early as it can be done. See package early.
func init() {
	if born := early.Init(); born != nil && plain(os.Args) {
		begun = Begin(launch.Take(born))
	}
}

// Begun is the sandbox of this command line; nil where that asks for more than a
// command, or for something else.
func Begun() *Sandbox { return begun }

// plain takes `run -- COMMAND …`.
func plain(args []string) bool {
	return len(args) > 3 && filepath.Base(args[0]) != "openshell" && args[1] == "run" && args[2] == "--"
}

// Passed are the signals that mean the command: those of package session, which
// is initialised too late.
var Passed = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}

// Begin begins to raise a sandbox on this machine's /usr that reaches nothing.
func Begin(from *launch.Expected) *Sandbox {
	got := make(chan os.Signal, 16)
	signal.Notify(got, Passed...)
	s := &Sandbox{Signals: got, done: make(chan struct{})}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	if s.Place, s.err = MakePlace(); s.err == nil {
		s.err = s.hand(ctx, from)
	}
	if s.err != nil {
		from.Close()
		close(s.done)
		return s
	}
	go func() {
		defer close(s.done)
		s.box, s.err = from.Stand(ctx)
	}()
	return s
}

// hand hands over what is to be obeyed. That is done here, and not beside what
// follows: until init has it it waits, and all else can wait for it. Who would
// heed the signals is not there yet, so that one which comes meanwhile, where
// this hangs, ends the process here.
func (s *Sandbox) hand(ctx context.Context, from *launch.Expected) error {
	handed := make(chan struct{})
	defer close(handed)
	go func() {
		select {
		case sig := <-s.Signals:
			_ = s.Place.Remove(os.RemoveAll) // nothing has lived there
			os.Exit(128 + int(sig.(syscall.Signal)))
		case <-handed:
		}
	}()
	return hand(ctx, from, Input(host.System(), s.Place.Workspace()))
}

// Wait waits until its walls are proved. The end of ctx ends what is not up yet;
// a sandbox that is up is the caller's.
func (s *Sandbox) Wait(ctx context.Context) (*launch.Box, error) {
	s.taken = true
	stop := context.AfterFunc(ctx, s.stop)
	<-s.done
	stop()
	s.stop()
	return s.box, s.err
}

// Drop ends one that Wait was not called for, and removes its folder; after Wait
// it does nothing.
func (s *Sandbox) Drop() {
	if s.taken {
		return
	}
	s.taken = true
	s.stop()
	<-s.done
	if s.err == nil {
		_ = s.box.Kill()
		_ = s.box.Wait()
	}
	_ = s.Place.Remove(os.RemoveAll)
}
