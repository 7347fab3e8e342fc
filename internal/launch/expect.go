package launch

import (
	"context"
	"errors"
	"os"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Expected is an init on its way: it is born, and waits for its spec, while
// that is still being made. It is nobody's sandbox until Start. Start and Close
// are for one goroutine.
type Expected struct {
	known   chan struct{} // closed when options is there
	born    chan struct{} // closed when box or err is there; after known
	options Options
	own     *Program // loaded for this init alone
	exe     int
	box     *Box
	err     error
	taken   bool // by Start or Close
}

// Expect begins, and returns at once. who says what the sandbox's user and the
// rest will be; it runs beside the caller.
func Expect(who func() (Options, error)) *Expected {
	e := &Expected{known: make(chan struct{}), born: make(chan struct{})}
	go func() {
		defer close(e.born)
		e.box, e.err = e.bear(who)
	}()
	return e
}

func (e *Expected) bear(who func() (Options, error)) (*Box, error) {
	var err error
	e.options, err = who()
	close(e.known)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 && (e.options.UID == 0 || e.options.GID == 0) {
		return nil, &Error{Wall: spec.ProcessWall, Err: errors.New("the sandbox's user on the host would be root")}
	}
	p := e.options.Program
	if p == nil {
		p = Load()
		e.own = p
	}
	if e.exe, err = p.File(); err != nil {
		return nil, &Error{Err: err}
	}
	return bear(e.exe, e.options)
}

// User waits until it is known who the sandbox's user is on the host.
func (e *Expected) User() (uid, gid uint32) {
	<-e.known
	return e.options.UID, e.options.GID
}

// Start makes the expected init obey s, and returns when its walls are proved.
// Every error is an *Error, but ctx's own and that of who; then nothing is
// left running.
func (e *Expected) Start(ctx context.Context, s spec.Spec) (*Box, error) {
	<-e.born
	e.taken = true
	defer e.forget()
	if e.err != nil {
		return nil, e.err
	}
	b := e.box
	stop := context.AfterFunc(ctx, func() { _ = b.Kill() })
	err := b.raise(s, e.options, e.exe)
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		b.abandon()
		return nil, err
	}
	go b.listen()
	return b, nil
}

// Close ends an init that Start was not called for; after Start it does
// nothing.
func (e *Expected) Close() {
	if e.taken {
		return
	}
	e.taken = true
	<-e.born
	defer e.forget()
	if e.err == nil {
		e.box.abandon()
	}
}

// forget gives the program's memory back; what runs is not touched.
func (e *Expected) forget() {
	if e.own != nil {
		_ = e.own.Close()
	}
}

// abandon ends a Box that never stood.
func (b *Box) abandon() {
	_ = b.Kill()
	_ = b.Wait()
	b.letGo()
}
