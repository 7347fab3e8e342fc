package confine

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// failure is a wall that could not be built, or did not hold.
type failure struct {
	wall spec.Wall
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// failed is what the supervisor hears of err.
func failed(id uint64, err error) spec.Message {
	m := spec.Message{Op: spec.OpFailed, ID: id, Error: err.Error()}
	var f *failure
	if errors.As(err, &f) {
		m.Wall = f.wall
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		m.Errno = int(e)
	}
	return m
}

// act names what was done to what, around a cause.
func act(what, thing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, thing, err)
}
