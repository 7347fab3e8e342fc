package native

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/version"
)

// answering is how long a supervisor has to say how it is.
const answering = 15 * time.Second

// Status asks the supervisor, or reads the disk where there is none.
func (d Driver) Status(ctx context.Context, s state.Sandbox) (control.Status, error) {
	pid, held := s.Holder()
	if !held {
		return asleep(s)
	}
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	st, err := control.Dial(s.ControlSocket()).Status(ctx)
	if err == nil {
		return outdated(st), nil
	}
	if _, still := s.Holder(); !still {
		return asleep(s)
	}
	st, loadErr := asleep(s)
	if loadErr != nil {
		return st, loadErr
	}
	st.State, st.SupervisorPID = control.Failed, pid
	st.Why = fmt.Sprintf("supervisor %d does not answer: %v", pid, err)
	return st, nil
}

// outdated notes that the supervisor is of another build than this command: it
// keeps the program with which it was started until it is started again.
func outdated(st control.Status) control.Status {
	if st.Version != version.String {
		st.Notes = append(st.Notes, fmt.Sprintf("it runs nemoclaw %s: restart to use %s (nemoclaw %s restart)",
			cmp.Or(st.Version, "of an earlier version"), version.String, st.Name))
	}
	return st
}

// asleep is the status of a sandbox without a supervisor, from disk. Nothing
// of it is proved: only a running sandbox has walls.
func asleep(s state.Sandbox) (control.Status, error) {
	st := control.Status{Name: string(s.Name()), State: control.Stopped}
	set, err := s.Load()
	if errors.As(err, new(*state.Edited)) || errors.As(err, new(*state.Broken)) || errors.As(err, new(*state.Newer)) {
		st.State, st.Why = control.Failed, err.Error()
		set, err = s.LoadEdited()
		if err != nil {
			return st, nil
		}
	}
	if err != nil {
		return st, err
	}
	st.Blueprint = control.BlueprintStatus{Name: set.Blueprint.Name, Version: set.Blueprint.Version, Digest: set.Blueprint.Digest}
	st.Agent.Name = set.Agent
	st.GatewayPort = set.Ports.Gateway
	for _, m := range set.Mounts {
		st.Mounts = append(st.Mounts, mountLine(m))
	}
	for wall, off := range map[*control.Wall]bool{&st.Walls.Network: set.Walls.NetworkOff, &st.Walls.Filesystem: set.Walls.FilesystemOff} {
		if off {
			wall.Proof = "off (operator)"
		}
	}
	if why := fate(s); why != "" && st.Why == "" {
		st.State, st.Why = control.Failed, why
	}
	return st, nil
}

func mountLine(m state.Mount) string {
	mode := "rw"
	if m.ReadOnly {
		mode = "ro"
	}
	return fmt.Sprintf("%s → %s (%s)", m.Host, m.Sandbox, mode)
}

// fate says why a sandbox that should run does not; empty for one that was
// stopped.
func fate(s state.Sandbox) string {
	if !s.Wanted() {
		return ""
	}
	for _, log := range []string{s.SupervisorLog(), s.AgentLog()} {
		if last := lastWords(log); last != "" {
			return "its supervisor ended: " + last
		}
	}
	return "its supervisor ended, or the machine was started anew"
}
