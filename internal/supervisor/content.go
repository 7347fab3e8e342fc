package supervisor

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Content is what the blueprint puts inside, every byte of it checked.
type Content struct {
	Manifest blueprint.Manifest
	Digest   blueprint.Digest // the blueprint's
	Dir      string           // the unpacked tree; "" where there is none but the base
	Base     string           // the unpacked base; "" where the machine's own /usr is it
}

// gatewayPort is the one inside that is forwarded to; 0 where none is.
func (c Content) gatewayPort() (port uint16) {
	for _, p := range c.Manifest.Ports {
		if p.Name == "gateway" {
			port = p.Port
		}
	}
	return port
}

// system is the tree that the sandbox stands on.
func (c Content) system() plan.System {
	if c.Base != "" {
		return host.Pinned(c.Base)
	}
	return host.System()
}

// environment is what the blueprint adds to the plan's.
func (c Content) environment() []string {
	var env []string
	for _, k := range slices.Sorted(maps.Keys(c.Manifest.Env)) {
		env = append(env, k+"="+c.Manifest.Env[k])
	}
	return env
}

// program is what the blueprint starts, if anything.
func (c Content) program() (program, bool) {
	a := c.Manifest.Agent
	if a == nil {
		return program{}, false
	}
	return program{
		name:    a.Name,
		command: spec.Command{Argv: a.Argv, Dir: a.Dir},
		health:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Health.Port),
		path:    a.Health.Ready,
		patient: time.Duration(a.Start),
	}, true
}

func (c Content) status(b state.Blueprint) control.BlueprintStatus {
	return control.BlueprintStatus{
		Name: b.Name, Version: b.Version, Digest: b.Digest,
		Verified: c.Digest.String() == b.Digest, Base: c.Manifest.Base.Describe(),
	}
}

// spare is how much more processes the second limit allows than the first.
const spare = 32

// rlimitPids is the limit of processes by rlimit, which holds alone where there
// is no control group. Where there is one it comes second: it does not count what
// it refused, and so could not be named by status.
func (k *keeper) rlimitPids() int {
	n := k.settings.Limits.Pids
	if n == 0 {
		return 0
	}
	if k.group.LimitsProcesses() {
		n += spare
	}
	return n + spec.OwnTasks
}

// planInput is everything that decides what this sandbox will be.
func (k *keeper) planInput(system plan.System) plan.Input {
	in := plan.Input{
		Name:      k.settings.Name,
		System:    system,
		Workspace: k.place.Workspace(),
		Content:   k.content.Dir,
		Path:      k.content.Manifest.Path,
		Env:       k.content.environment(),
		Files: []plan.Shown{
			{Host: k.place.InferenceLog(), Target: "/sandbox/.openclaw/inference.log"},
			{Host: k.place.PolicyNotes(), Target: notesPlace},
		},
		Limits: plan.Limits{
			Pids: k.rlimitPids(), Files: k.settings.Limits.Files, TmpBytes: k.settings.Limits.TmpBytes,
			FileBytes: k.settings.Limits.DiskBytes,
		},
		FilesystemOff: k.settings.Walls.FilesystemOff,
		Syscalls:      filter.Choice{Allow: k.settings.Walls.Syscalls, Audit: k.settings.Walls.AuditSyscalls},
		Trust:         k.trust,
	}
	for _, m := range k.settings.Mounts {
		in.Mounts = append(in.Mounts, plan.Mount{Host: m.Host, Target: m.Sandbox, ReadOnly: m.ReadOnly})
	}
	return in
}
