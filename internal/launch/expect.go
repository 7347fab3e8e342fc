package launch

import (
	"context"
	"errors"
	"io"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth"
)

// Expected is an init that waits for its spec, while that is still being made.
// It is nobody's sandbox until Start. Its methods are for one goroutine.
type Expected struct {
	child *birth.Child
	own   bool // the program was made for this init alone
	to    io.Writer
	box   *Box // when the child is born
	err   error
	taken bool // by Start or Close
}

// Begin begins one. What goes wrong is Start's error.
func Begin(o Options) *Expected {
	b := birth.Options{Cgroup: o.Cgroup, Join: o.Join, Program: o.Program, User: func() (uint32, uint32, error) {
		if o.UID == 0 || o.GID == 0 {
			return 0, 0, errors.New("the sandbox's user on the host would be root")
		}
		return o.UID, o.GID, nil
	}}
	return &Expected{child: birth.Begin(b), own: o.Program == nil, to: o.Stderr}
}

// Take takes an init over that was begun before, with a program of its own.
func Take(c *birth.Child) *Expected { return &Expected{child: c, own: true} }

// born waits until init's process runs its program.
func (e *Expected) born() error {
	if e.box != nil || e.err != nil {
		return e.err
	}
	if err := e.child.Wait(); err != nil {
		e.err = stillborn(err)
		e.forget()
		return e.err
	}
	e.box = newBox(wire.New(e.child.Wire))
	e.box.child, e.box.pid = e.child, e.child.PID
	e.child.Attend(func() { e.box.await(e.to) })
	return nil
}

// stillborn makes the Error for an init that was not begun.
func stillborn(err error) *Error {
	e := new(birth.Error)
	if errors.As(err, &e) && e.Step == birth.Namespaces {
		return unborn(err)
	}
	return &Error{Wall: spec.ProcessWall, Err: err}
}

// User is who the sandbox's user is on the host.
func (e *Expected) User() (uid, gid uint32) { return e.child.UID, e.child.GID }

// Start makes the expected init obey s, and returns when its walls are proved.
// Every error is an *Error, but ctx's own; then nothing is left running.
func (e *Expected) Start(ctx context.Context, s spec.Spec) (*Box, error) {
	if err := e.Hand(ctx, s); err != nil {
		return nil, err
	}
	return e.Stand(ctx)
}

// Hand is the first half of Start: init begins to obey s. It takes what the host
// has to do for that. After an error there is no second half. Where the host
// hangs (a control group, a source on a server that is gone), the end of ctx
// leaves it to that; what comes of it later is ended at once.
func (e *Expected) Hand(ctx context.Context, s spec.Spec) error {
	e.taken = true
	handed := make(chan error, 1)
	go func() { handed <- e.hand(s) }()
	select {
	case err := <-handed:
		return err
	case <-ctx.Done():
		go func() {
			if <-handed == nil {
				e.forget()
				e.box.abandon()
			}
		}()
		return ctx.Err()
	}
}

func (e *Expected) hand(s spec.Spec) error {
	if err := e.born(); err != nil {
		return err
	}
	if err := e.box.hand(s, e.child); err != nil {
		e.forget()
		e.box.abandon()
		return err
	}
	return nil
}

// Stand is the second half.
func (e *Expected) Stand(ctx context.Context) (*Box, error) {
	defer e.forget()
	b := e.box
	stop := context.AfterFunc(ctx, func() { _ = b.Kill() })
	err := b.raise()
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		b.abandon()
		return nil, err
	}
	b.begin()
	return b, nil
}

// Close ends an init that Start was not called for; after Start it does
// nothing.
func (e *Expected) Close() {
	if e.taken {
		return
	}
	e.taken = true
	if e.born() == nil {
		e.box.abandon()
		e.forget()
	}
}

// forget gives the program's memory back; what runs is not touched.
func (e *Expected) forget() {
	if e.own {
		_ = e.child.Program.Close()
	}
}

// abandon ends a Box that never stood.
func (b *Box) abandon() {
	_ = b.Kill()
	_ = b.Wait()
	b.letGo()
}
