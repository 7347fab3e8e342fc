package say

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// The exit codes of every command. exec and run pass the program's own code
// on; CannotStart and the two after it are their own failures.
const (
	Done        = 0
	Failed      = 1
	WrongUsage  = 2
	Refused     = 3 // by policy or a wall
	CannotStart = 125
	CannotRun   = 126 // the program was found, and cannot be executed
	NotFound    = 127 // the program is not in the sandbox
	Interrupted = 130
)

// Hinter is an error that knows what would help.
type Hinter interface {
	error
	Hint() string
}

// Coder is an error that knows its exit code.
type Coder interface {
	error
	ExitCode() int
}

// Fault is an error for the operator, with what helps and an exit code.
type Fault struct {
	Err  error
	Help string // printed after "→ ", empty for none
	Code int    // 0 stands for Failed
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// Hint is what the operator can do about it.
func (f *Fault) Hint() string { return f.Help }

// ExitCode is what the program ends with.
func (f *Fault) ExitCode() int {
	if f.Code == 0 {
		return Failed
	}
	return f.Code
}

// Misused is a Fault of wrong usage.
func Misused(hint, format string, args ...any) error {
	return &Fault{Err: fmt.Errorf(format, args...), Help: hint, Code: WrongUsage}
}

// Failing is a Fault with a hint.
func Failing(hint, format string, args ...any) error {
	return &Fault{Err: fmt.Errorf(format, args...), Help: hint}
}

// Exit is an error that ends the program with a code and says nothing: what
// had to be said was said, or is another program's own code.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// ExitCode is what the program ends with.
func (e Exit) ExitCode() int { return int(e) }

// Fail prints err and what helps to w, and returns the exit code.
func Fail(w io.Writer, err error) int {
	if err == nil {
		return Done
	}
	var quiet Exit
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	if errors.Is(err, context.Canceled) {
		_, _ = fmt.Fprintln(w, "interrupted")
		return Interrupted
	}
	_, _ = fmt.Fprintln(w, "error: "+CleanLines(err.Error()))
	var h Hinter
	switch {
	case errors.As(err, &h) && h.Hint() != "":
		_, _ = fmt.Fprintln(w, "→ "+CleanLines(h.Hint()))
	case state.DiskRemedy(err) != "":
		_, _ = fmt.Fprintln(w, "→ "+state.DiskRemedy(err))
	}
	var c Coder
	if errors.As(err, &c) {
		return c.ExitCode()
	}
	return Failed
}
