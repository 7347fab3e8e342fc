package launch

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Error says why a sandbox did not start: which wall could not be built, and
// what the operator can do.
type Error struct {
	Wall   spec.Wall // empty where no wall is to blame
	Err    error
	remedy string
}

func (e *Error) Error() string {
	if e.Wall == "" {
		return fmt.Sprintf("start sandbox: %v", e.Err)
	}
	return fmt.Sprintf("start sandbox: %s wall: %v", e.Wall, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint is what helps, empty where nothing is known to.
func (e *Error) Hint() string { return e.remedy }

// ErrNotStarted is a command that did not start; the system's error number,
// where there is one, is beneath it.
var ErrNotStarted = errors.New("command not started")

// told is an error that PID 1 reported in words.
type told struct {
	text  string
	errno unix.Errno
}

func (t *told) Error() string { return t.text }

func (t *told) Unwrap() error {
	if t.errno == 0 {
		return nil
	}
	return t.errno
}

func fromInside(m spec.Message) error { return &told{m.Error, unix.Errno(m.Errno)} }

// refused makes the Error for a wall that init could not build.
func refused(wall spec.Wall, err error) *Error {
	e := &Error{Wall: wall, Err: err}
	switch {
	case restricted() && isPermission(err):
		e.remedy = appArmor
	case wall == spec.FilesystemWall && strings.Contains(err.Error(), "Landlock"):
		e.remedy = "the kernel needs Landlock ABI 2 or newer: Linux 5.19 with CONFIG_SECURITY_LANDLOCK, and landlock in the kernel's lsm= list"
	case wall == spec.FilesystemWall && errors.Is(err, unix.ELOOP) && strings.Contains(err.Error(), "symbolic link stands"):
		e.remedy = "look at what that link is and who made it: something that may write there did, perhaps an agent; put the folder back, then start again"
	case wall == spec.FilesystemWall && strings.Contains(err.Error(), "mount /sandbox/"):
		e.remedy = "something inside left a link, a file or a closed folder at that place of the workspace: move it away on the host (mv, and do not follow it), then start again"
	case wall == spec.FilesystemWall && errors.Is(err, unix.EPERM) && strings.Contains(err.Error(), "mount /proc"):
		e.remedy = masked
	case wall == spec.NetworkWall && errors.Is(err, unix.ENOENT):
		e.remedy = "the kernel needs nftables with TPROXY and NFLOG: modprobe -a nf_tables nft_tproxy nft_reject_inet nft_log nfnetlink_log"
	case wall == spec.ProcessWall && errors.Is(err, unix.EINVAL):
		e.remedy = "the kernel needs seccomp with user notification: Linux 5.19 with CONFIG_SECCOMP_FILTER"
	}
	return e
}

// unborn makes the Error for an init that could not be cloned.
func unborn(err error) *Error {
	e := &Error{Wall: spec.ProcessWall, Err: err}
	switch {
	case unreadable():
		e.remedy = unreadableHint()
	case restricted():
		e.remedy = appArmor
	case errors.Is(err, unix.ENOSPC):
		e.remedy = "sysctl user.max_user_namespaces is too low: sudo sysctl -w user.max_user_namespaces=15000"
	case setting("kernel/unprivileged_userns_clone") == "0":
		e.remedy = "sudo sysctl -w kernel.unprivileged_userns_clone=1"
	case isPermission(err):
		e.remedy = "user namespaces are switched off here; in a container, allow them (seccomp and AppArmor profile), or start as root with CAP_SYS_ADMIN"
	}
	return e
}

// masked is what helps where something is mounted over parts of /proc, as container
// engines do: nobody may mount a whole one then who could not see it before. See
// mount_too_revealing in the kernel's fs/namespace.c.
const masked = "parts of /proc are hidden here, as in a container: run nemoclaw on the machine itself, or start the container with --security-opt systempaths=unconfined (Kubernetes: procMount: Unmasked)"

// appArmor is Ubuntu's restriction since 23.10, and what lifts it for us
// alone.
const appArmor = "AppArmor restricts user namespaces here: install the profile \"nemoclaw\" (/etc/apparmor.d/nemoclaw) that comes with nemoclaw, then: sudo apparmor_parser -r /etc/apparmor.d/nemoclaw"

// unreadable says whether this program may be executed by its user and not read.
// The kernel then keeps what belongs to its processes in /proc from them, their
// maps of users too. See proc(5), prctl(2) PR_SET_DUMPABLE.
func unreadable() bool { return errors.Is(unix.Access("/proc/self/exe", unix.R_OK), unix.EACCES) }

func unreadableHint() string {
	name, err := os.Executable()
	if err != nil {
		name = "the nemoclaw program"
	}
	return "you may execute " + name + " but not read it, and the kernel then keeps the process from making namespaces: chmod a+r " + name
}

// restricted says whether AppArmor keeps user namespaces from unprivileged
// programs without a profile.
func restricted() bool {
	return os.Geteuid() != 0 && setting("kernel/apparmor_restrict_unprivileged_userns") == "1"
}

func setting(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func isPermission(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}
