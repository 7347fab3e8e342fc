package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// GatePort is where the transparent listeners stand inside. Programs never
// need it: every TCP connection that leaves loopback ends there.
const GatePort = 12345

// ModelPort is where every agent expects its model server.
const ModelPort = 11434

// Input is everything that decides what one sandbox will be.
type Input struct {
	Name      string
	System    System
	Workspace string // host path of /sandbox
	// Content is the blueprint's verified tree on the host; empty for none.
	Content string
	// Path are folders below blueprint.ContentDir that come first in PATH.
	Path []string
	// Env is what the blueprint adds to the environment, "KEY=value".
	Env []string
	// Files are host files shown read-only at a place below /sandbox:
	// inference.log and the like.
	Files  []Shown
	Mounts []Mount
	Limits Limits
	// FilesystemOff leaves Landlock out, because the operator wrote so at
	// creation. The built-up root stays: a sandbox has no other.
	FilesystemOff bool
	Syscalls      filter.Choice // what the operator changed of the process wall
	Zone          string        // TZ, empty for the host's local time
	// Trust is what programs inside trust; nil: what the machine does.
	Trust *Trust
}

// Trust are the certificates that programs inside trust, in a folder that was
// made for this sandbox, and the places that are to show them.
type Trust struct {
	Folder       string   // of the host; shown as CertificateFolder
	Bundle, Java string   // the bundle and Java's store, below Folder
	Extra        string   // what the bundle has and Mozilla's list has not, below Folder
	Bundles      []string // further places of a bundle, on this machine
	JavaStores   []string // and of Java's store
	Authority    []byte   // the sandbox's own, in DER, for those that are told by a file of theirs
}

// Shown is one host file shown read-only inside.
type Shown struct{ Host, Target string }

// Mount is a host file or folder handed over at creation.
type Mount struct {
	Host, Target string
	ReadOnly     bool
}

// Limits are what rlimits enforce; memory, CPU and the number of processes
// are the cgroup's.
type Limits struct {
	Pids     int // PID 1's threads among them
	Files    uint64
	TmpBytes int64
	// FileBytes is how large a file may become; 0 is no limit.
	FileBytes int64
}

// Refusal is an Input that cannot be enforced as it is asked.
type Refusal struct {
	Act, Thing, Cause, Remedy string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s %s: %s", r.Act, r.Thing, r.Cause) }

// Hint is the remedy.
func (r *Refusal) Hint() string { return r.Remedy }

// Make says everything that will be enforced, or why it cannot be.
func Make(in Input) (spec.Spec, error) {
	if in.Name == "" || in.Workspace == "" {
		return spec.Spec{}, errors.New("make plan: name and workspace are needed")
	}
	if len(in.System.Folders) == 0 || in.System.Folders[0] != "/usr" {
		return spec.Spec{}, &Refusal{"make plan of", in.Name, "this machine has no /usr folder", "use a system whose programs lie in /usr"}
	}
	for _, m := range in.Mounts {
		if err := checkTarget(m.Target); err != nil {
			return spec.Spec{}, err
		}
	}
	if err := in.Syscalls.Check(); err != nil {
		return spec.Spec{}, &Refusal{"make plan of", in.Name, err.Error(), "nemoclaw policy explain --syscall NAME; mend walls.syscalls in sandbox.yaml, then nemoclaw " + in.Name + " rebuild"}
	}
	s := spec.Spec{
		Version: spec.Version,
		Name:    in.Name,
		Mounts:  mounts(in),
		Landlock: spec.Landlock{
			Off:   in.FilesystemOff,
			Rules: rules(in),
		},
		Seccomp: spec.Seccomp{Allow: in.Syscalls.Allow, Audit: in.Syscalls.Audit},
		Network: spec.Network{
			GatePort: GatePort,
			Routers: []netip.AddrPort{
				netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ModelPort),
				netip.AddrPortFrom(netip.IPv6Loopback(), ModelPort),
			},
		},
		Rlimits: rlimits(in.Limits),
		Env:     environment(in),
		Dir:     "/sandbox",
	}
	return s, nil
}

// checkTarget holds a mount's target below /sandbox, where the agent expects
// it and where it can hide nothing of ours.
func checkTarget(t string) error {
	if path.Clean(t) != t || !strings.HasPrefix(t, "/sandbox/") {
		return &Refusal{"mount at", fmt.Sprintf("%q", t), "not below /sandbox", "--mount HOST:/sandbox/NAME"}
	}
	if t == "/sandbox/.openclaw" || strings.HasPrefix(t, "/sandbox/.openclaw/") {
		return &Refusal{"mount at", fmt.Sprintf("%q", t), "this is the agent's own state", "--mount HOST:/sandbox/NAME"}
	}
	return nil
}

func rlimits(l Limits) []spec.Rlimit {
	out := []spec.Rlimit{{Resource: unix.RLIMIT_CORE}} // a core would hold what the agent was told
	if l.Files > 0 {
		out = append(out, spec.Rlimit{Resource: unix.RLIMIT_NOFILE, Soft: l.Files, Hard: l.Files})
	}
	if l.FileBytes > 0 {
		// One fallocate(2) takes the whole disk at once, faster than anybody looks.
		out = append(out, spec.Rlimit{Resource: unix.RLIMIT_FSIZE, Soft: uint64(l.FileBytes), Hard: uint64(l.FileBytes)})
	}
	if l.Pids > 0 {
		// Counted per user namespace since Linux 5.14, so it holds even where
		// no cgroup could be had.
		out = append(out, spec.Rlimit{Resource: unix.RLIMIT_NPROC, Soft: uint64(l.Pids), Hard: uint64(l.Pids)})
	}
	return out
}

func environment(in Input) []string {
	dirs := make([]string, 0, len(in.Path)+6)
	for _, p := range in.Path {
		dirs = append(dirs, path.Join(blueprint.ContentDir, p))
	}
	dirs = append(dirs, "/sandbox/.local/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/usr/local/go/bin")
	env := []string{
		"HOME=/sandbox",
		"USER=sandbox",
		"LOGNAME=sandbox",
		"SHELL=" + shell,
		"PATH=" + strings.Join(dirs, ":"),
		"TMPDIR=/tmp", // SQLite otherwise looks to /var/tmp
		"LANG=C.UTF-8",
		`PS1=\u@\h:\w\$ `,
		"NEMOCLAW_SANDBOX=" + in.Name,
	}
	if in.Zone != "" {
		env = append(env, "TZ="+in.Zone)
	}
	env = append(env, in.Trust.environment()...)
	for _, e := range in.Env {
		key, _, _ := strings.Cut(e, "=")
		env = slices.DeleteFunc(env, func(x string) bool { return strings.HasPrefix(x, key+"=") })
		env = append(env, e)
	}
	return env
}

// shell is the login shell inside; every system with a /usr has it.
const shell = "/bin/bash"
