package driver

import (
	"context"
	"fmt"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Driver keeps supervisors somewhere. Its methods may be called from several
// processes at once; the sandbox's lock decides.
type Driver interface {
	// Probe says whether sandboxes can run here with all their walls, and
	// changes nothing. The error names the wall that cannot stand.
	Probe(ctx context.Context) error

	// Create makes a sandbox that does not run yet: whole, or not at all. A
	// name in use is *state.Taken.
	Create(ctx context.Context, s state.Sandbox, set state.Settings, files ...state.File) error

	// Start brings s up, writes down that it is wanted, and returns when
	// walls, agent and inference are checked. tell gets a line for each step.
	// One that runs already is left as it is. When Start fails, or ctx ends,
	// nothing of it runs.
	Start(ctx context.Context, s state.Sandbox, tell func(string)) error

	// Try brings up the sandbox at s.Trial(), which Create made, as Start does,
	// and ends it again; the error says why it did not come up. When Try
	// returns, or its caller dies, nothing of it runs.
	Try(ctx context.Context, s state.Sandbox, tell func(string)) error

	// Stop ends s and returns when it is gone. wanted says whether `start
	// --all` shall bring it back. One that does not run is no error. Where that
	// it shall stay down cannot be written, it is ended all the same, and the error
	// is an *Unnoted; what shall come back is not ended where that cannot be written.
	Stop(ctx context.Context, s state.Sandbox, wanted bool) error

	// Remove stops s and deletes all of it. One that does not exist is
	// *state.NotFound.
	Remove(ctx context.Context, s state.Sandbox) error

	// Status says how s is, running or not; it starts and writes nothing. One
	// that does not exist is *state.NotFound.
	Status(ctx context.Context, s state.Sandbox) (control.Status, error)

	// Dial gives the way to the supervisor of s. *NotRunning when there is none.
	Dial(ctx context.Context, s state.Sandbox) (*control.Client, error)
}

// NotRunning means that a sandbox exists and has no supervisor.
type NotRunning struct {
	Name state.Name
	Why  string // of one that should run; empty when it was stopped
}

func (e *NotRunning) Error() string {
	if e.Why != "" {
		return fmt.Sprintf("sandbox %q is not running: %s", string(e.Name), e.Why)
	}
	return fmt.Sprintf("sandbox %q is not running", string(e.Name))
}

// Hint is the command that starts it.
func (e *NotRunning) Hint() string { return fmt.Sprintf("nemoclaw %s start", e.Name) }

// Unnoted means that a sandbox was stopped, and that its disk did not take that it
// shall stay so.
type Unnoted struct {
	Name state.Name
	Err  error
}

func (e *Unnoted) Error() string {
	return fmt.Sprintf("sandbox %q is stopped, but that it shall stay so is not written down: %v", string(e.Name), e.Err)
}

// Unwrap gives what the disk said.
func (e *Unnoted) Unwrap() error { return e.Err }

// Hint says what helps, and what would start it meanwhile.
func (e *Unnoted) Hint() string {
	remedy := state.DiskRemedy(e.Err)
	if remedy != "" {
		remedy += "; "
	}
	return fmt.Sprintf("%suntil then `nemoclaw start --all` would start it; after that: nemoclaw %s stop", remedy, e.Name)
}
