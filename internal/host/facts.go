package host

import "fmt"

// Facts is what this machine can do: a plain value, so that tests can make any
// machine. Sizes are bytes.
type Facts struct {
	Arch    string // runtime.GOARCH
	Release string // uname -r
	Kernel  Version
	Distro  string // PRETTY_NAME of os-release(5)
	WSL     int    // 1 or 2, 0 on a machine of its own
	UID     int
	User    string // name of UID; "" where there is none
	Logout  bool   // the end of the last session ends this user's processes
	Binary  string // path of this program, for profiles that name it

	Landlock   Landlock
	Namespaces Namespaces
	Seccomp    Seccomp
	Capture    Capture
	Vsock      Vsock
	Memory     Memory
	Disk       Disk
	Cgroup     Cgroup
}

// Version is a kernel's.
type Version struct{ Major, Minor int }

// Before says whether v is older than w.
func (v Version) Before(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// String is "6.18".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Landlock is what the kernel says of itself, and what a thread behind it saw.
type Landlock struct {
	ABI     int    // 0: none
	Errata  int    // the fixes that the kernel reports, a bit each
	Off     bool   // built in, but not in the boot's list of security modules
	Modules string // that list, "" where it cannot be read
	// What was tried. Tried is false where there was no place to try it in.
	Tried    bool
	Refuses  bool // a file outside the rules could not be opened
	Renames  bool // a file could be moved between two allowed folders
	Truncate bool // a file outside the rules could not be truncated
}

// Namespaces is whether a user namespace with rights inside it can be had.
type Namespaces struct {
	Works bool   // one was made, and its owner had its rights
	Why   string // else: the kernel's error
	Max   int64  // user.max_user_namespaces; -1 where it is not known
	// Restricted by sysctl, each with its own remedy.
	CloneOff bool // Debian's kernel.unprivileged_userns_clone is 0
	AppArmor bool // kernel.apparmor_restrict_unprivileged_userns is 1
}

// Seccomp is which answers a filter may give.
type Seccomp struct {
	Actions []string // actions_avail; nil where it cannot be read
	Notify  bool     // a supervisor can be told of refused calls
}

// Known is what can be said without trying.
type Known string

// The degrees of knowledge about a kernel option.
const (
	Unknown Known = "unknown"
	BuiltIn Known = "built in"
	Module  Known = "module"
	Absent  Known = "absent"
)

// Capture is what the network wall is built from.
type Capture struct{ Tables, TProxy Known }

// Vsock is what this kernel does with sockets to the hypervisor, vsock(7).
type Vsock string

// What becomes of them.
const (
	NoVsock Vsock = ""        // there are none
	Shared  Vsock = "shared"  // every network namespace has the machine's
	Divided Vsock = "divided" // a sandbox has its own, which lead nowhere
)

// Memory of the machine, and the tightest limit that we ourselves live under.
type Memory struct {
	Total, Available, Swap uint64
	Limit                  uint64 // 0: none
	LimitedBy              string // the control group's path
}

// Usable is the least of what the machine and our own limit give.
func (m Memory) Usable() uint64 {
	if m.Limit > 0 && m.Limit < m.Total {
		return m.Limit
	}
	return m.Total
}

// Disk is the free space, for us, below Path.
type Disk struct {
	Path    string
	Free    uint64
	Refused string // why nothing can be made in Path; empty where it can
}

// Cgroup is how limits can be set.
type Cgroup struct {
	Version int    // 2 or 1; 0 where no group can be made by us
	Path    string // where one can be made
	Unified bool   // the machine limits memory by version 2, delegated to us or not
	Mounted bool   // it has any
	Systemd bool   // a systemd of the user's own runs, which could delegate
}
