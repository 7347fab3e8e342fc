package native

import (
	"context"
	"errors"

	"github.com/nemoclaw/nemoclaw/internal/cgroup"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Driver is the native one. The zero value works, with a Probe that finds
// nothing missing.
type Driver struct {
	// Missing says which wall cannot stand on this machine; nil for none.
	Missing func() error
}

var _ driver.Driver = Driver{}

// Probe says whether all walls can stand here.
func (d Driver) Probe(context.Context) error {
	if d.Missing == nil {
		return nil
	}
	return d.Missing()
}

// Create makes the sandbox's folder.
func (d Driver) Create(_ context.Context, s state.Sandbox, set state.Settings, files ...state.File) error {
	set.Driver = "native"
	return s.Create(set, files...)
}

// Remove stops s and deletes its folder, and what it left behind elsewhere where
// its supervisor was killed.
func (d Driver) Remove(ctx context.Context, s state.Sandbox) error {
	if err := d.Stop(ctx, s, false); err != nil && !errors.As(err, new(*state.NotFound)) && !errors.As(err, new(*driver.Unnoted)) {
		return err
	}
	defer cgroup.Sweep()
	return s.Remove()
}

// Dial gives the supervisor's control socket. Whether somebody holds the
// sandbox's lock is what counts: a socket file may be left over.
func (d Driver) Dial(_ context.Context, s state.Sandbox) (*control.Client, error) {
	if _, held := s.Holder(); held {
		return control.Dial(s.ControlSocket()), nil
	}
	if !s.Exists() {
		return nil, &state.NotFound{Name: s.Name()}
	}
	return nil, &driver.NotRunning{Name: s.Name(), Why: fate(s)}
}
