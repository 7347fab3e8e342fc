package spec

import "net/netip"

// Version is the form of Spec that this program writes and obeys.
const Version = 1

// UID and GID are who everything inside runs as, init included. It is never 0:
// uid 0 of a user namespace may still write some sysctls.
const (
	UID = 1000
	GID = 1000
)

// OwnTasks is how many threads and processes of ours there are inside at most: PID 1's, one
// for each processor that it uses and those in store among them, and the spawner. A limit of
// processes is for the agents; these come on top of it.
const OwnTasks = 40

// Spec says all that init enforces.
type Spec struct {
	Version  int
	Name     string // the host name inside
	Mounts   []Mount
	Landlock Landlock
	Seccomp  Seccomp
	Network  Network
	Rlimits  []Rlimit
	// Env is the whole environment of everything that runs inside; a command
	// may add to it, never inherit.
	Env []string
	// Dir is the working directory of everything that runs inside.
	Dir string
	// Once ends the sandbox with its first command, where that leaves nobody.
	Once bool
}

// MountKind is what stands at one place of the built-up root.
type MountKind string

// The kinds of mount. Targets are made in order, parents first.
const (
	Bind    MountKind = "bind"    // Source, recursively, of a file or a folder
	Lower   MountKind = "lower"   // Source as the only layer of a read-only overlay: host sockets beneath are dead
	Tmpfs   MountKind = "tmpfs"   // fresh, Size bytes, Mode
	Proc    MountKind = "proc"    // the sandbox's own
	Devpts  MountKind = "devpts"  // a new instance
	Mqueue  MountKind = "mqueue"  // the sandbox's own
	Dir     MountKind = "dir"     // an empty folder of Mode
	File    MountKind = "file"    // a small read-only file with Data
	Symlink MountKind = "symlink" // Source is the link's text
	Mask    MountKind = "mask"    // an unreadable nothing over an existing file or folder; skipped where the target does not exist
)

// Mount is one entry of the built-up root.
type Mount struct {
	Kind     MountKind
	Source   string
	Target   string
	ReadOnly bool
	NoExec   bool
	Mode     uint32
	Size     int64
	Data     []byte
	// Links lets the path of Source lead through symbolic links, as the
	// system's own folders do. A source handed over by the operator has none:
	// it was resolved when that was decided, and one that is there now may be
	// an agent's, put where another mount lets it write.
	Links bool
	// Owner asks for an id-mapped mount in which the host's owner of Source is
	// the sandbox's user. Only a supervisor started by root can make one.
	Owner bool
	// Fd, when not 0, is the position (from 1) among the descriptors handed
	// over with the spec of a detached mount that takes Source's place: a
	// supervisor started by root makes them, since the sandbox's user may not
	// reach Source. Set by launch alone.
	Fd int
}

// Access is what a Landlock rule grants beneath a path.
type Access string

// The accesses. Everything that no rule grants is refused.
const (
	ReadFile  Access = "read-file"  // one file, read
	Read      Access = "read"       // files and folders, read
	ReadExec  Access = "read-exec"  // and execute
	ReadWrite Access = "read-write" // everything but making devices
	Device    Access = "device"     // read, write and ioctl of existing files
)

// Landlock is the second, independent layer of the filesystem wall.
type Landlock struct {
	Off   bool // the operator wrote so, or a test
	Rules []PathRule
}

// PathRule grants Access beneath Path; a Path that does not exist is refused
// unless Optional.
type PathRule struct {
	Path     string
	Access   Access
	Optional bool
}

// Seccomp is the process wall's filter; its table is confine's own.
type Seccomp struct {
	Off bool // only ever set by a test
	// Allow and Audit are what the operator changed of the table; see
	// filter.Choice.
	Allow []string
	Audit bool
}

// Network is the network wall inside: routes, capture and the sockets that are
// handed out.
type Network struct {
	// CaptureOff leaves the namespace with a dead loopback and nothing else.
	// Only ever set by a test.
	CaptureOff bool
	// GatePort is the port of the transparent listeners.
	GatePort uint16
	// Routers are the loopback addresses on which the inference router listens.
	Routers []netip.AddrPort
}

// Rlimit is one resource limit of everything that runs inside.
type Rlimit struct {
	Resource int // RLIMIT_* of getrlimit(2)
	Soft     uint64
	Hard     uint64
}

// Wall is one of the four.
type Wall string

// The walls, in the article's order.
const (
	NetworkWall    Wall = "network"
	FilesystemWall Wall = "filesystem"
	ProcessWall    Wall = "process"
	InferenceWall  Wall = "inference"
)

// Proof is one forbidden thing that was tried inside, at the point of exec,
// before the agent's first instruction.
type Proof struct {
	Wall    Wall
	Layer   string // Landlock, mounts, seccomp, capabilities, capture …
	Tried   string // "open /home", "ptrace", "connect 192.0.2.1:9"
	Got     string // "permission denied"
	Refused bool
}
