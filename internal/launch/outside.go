package launch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// unprivileged is who a program runs as outside the walls where root starts it:
// nobody, of whom the machine has no files.
const unprivileged = 65534

// namespaces are those that init is born in.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// Outside runs a program of ours where no wall stands, in throw-away namespaces
// in which it has every right, but over nothing of the machine's, and returns
// what it said. It is the control of what is tried inside.
func Outside(ctx context.Context, program *Program, argv ...string) ([]byte, error) {
	fd, err := program.File()
	if err != nil {
		return nil, err
	}
	uid, gid := os.Getuid(), os.Getgid()
	attr := &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: unix.SIGKILL, Setsid: true}
	if os.Geteuid() == 0 {
		uid, gid = unprivileged, unprivileged
		attr.GidMappingsEnableSetgroups = true
		attr.Credential = &syscall.Credential{}
	}
	attr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: 1}}
	var said bytes.Buffer
	c := exec.CommandContext(ctx, "/proc/self/fd/"+strconv.Itoa(fd))
	c.Args, c.Env, c.Dir, c.SysProcAttr, c.Stderr = argv, []string{}, "/", attr, &said
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("try outside the walls: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}
