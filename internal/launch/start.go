package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// Options are about the outside of a sandbox; nothing in it weakens a wall.
type Options struct {
	// UID and GID are who the sandbox's user is on the host, when root starts
	// it. Not root, and of nobody else: outside the ranges of /etc/subuid.
	// Without root they are not looked at: then it is you.
	UID, GID uint32
	// Cgroup is a folder of cgroup v2, opened, in which init is born. 0 for
	// none.
	Cgroup int
	// Join moves init into the control groups of the host (v1, or where Cgroup
	// cannot be used), before it does anything. nil for none.
	Join func(pid int) error
	// Program is what Load gave, when it was called before. nil loads it now.
	Program *Program
	// Stderr gets what init itself says, which is only ever the story of a
	// crash. nil for nobody.
	Stderr io.Writer
}

// namespaces are all that a process can have of its own, but the one of
// control groups, which init makes once Join has moved it.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// needed are the capabilities that init has in its own namespaces until it has
// built the walls.
var needed = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP, unix.CAP_SYS_RESOURCE}

// Start starts a sandbox that obeys s, and returns when its walls are proved.
// Every error is an *Error, but ctx's own; then nothing is left running.
func Start(ctx context.Context, s spec.Spec, o Options) (*Box, error) {
	return Expect(func() (Options, error) { return o, nil }).Start(ctx, s)
}

// bear clones init into its namespaces. It waits there for the spec.
func bear(exe int, o Options) (*Box, error) {
	near, far, err := wire.Pair()
	if err != nil {
		return nil, &Error{Err: err}
	}
	defer unix.Close(far)
	c := wire.New(near)
	crash, stderr, err := os.Pipe()
	if err != nil {
		c.Close()
		return nil, &Error{Err: err}
	}
	defer stderr.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		c.Close()
		crash.Close()
		return nil, &Error{Err: err}
	}
	defer null.Close()

	b := newBox(c)
	attr := &syscall.ProcAttr{
		Dir: "/", Env: []string{},
		Files: []uintptr{null.Fd(), null.Fd(), stderr.Fd(), uintptr(far)},
		Sys:   attributes(o),
	}
	if err := b.birth("/proc/self/fd/"+strconv.Itoa(exe), attr); err != nil {
		c.Close()
		crash.Close()
		return nil, unborn(err)
	}
	go b.hearCrash(crash, o.Stderr)
	if o.Join != nil {
		if err := o.Join(b.pid); err != nil {
			_ = b.Kill()
			_ = b.Wait()
			b.letGo()
			return nil, &Error{Wall: spec.ProcessWall, Err: fmt.Errorf("move init to its control group: %w", err)}
		}
	}
	return b, nil
}

// birth forks init from a thread that lasts as long as init does: the kernel
// kills init when the thread that started it ends, not the process. The thread
// is the one that waits.
func (b *Box) birth(exe string, attr *syscall.ProcAttr) error {
	born := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		pid, err := syscall.ForkExec(exe, []string{"nemoclaw-init"}, attr)
		b.pid = pid
		born <- err
		if err == nil {
			b.await()
		}
	}()
	return <-born
}

// attributes say who init is: never root, inside or outside.
func attributes(o Options) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags:  namespaces,
		AmbientCaps: needed,
		Pdeathsig:   unix.SIGKILL,
		Setsid:      true,
	}
	uid, gid := os.Getuid(), os.Getgid()
	if os.Geteuid() == 0 {
		uid, gid = int(o.UID), int(o.GID)
		// Root's own groups must not come along; who is not root cannot leave
		// theirs.
		a.GidMappingsEnableSetgroups = true
		a.Credential = &syscall.Credential{Uid: spec.UID, Gid: spec.GID}
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: spec.UID, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: spec.GID, HostID: gid, Size: 1}}
	if o.Cgroup > 0 {
		a.UseCgroupFD, a.CgroupFD = true, o.Cgroup
	}
	return a
}

// raise hands the spec over and takes what init hands out, until the walls are
// proved.
func (b *Box) raise(s spec.Spec, o Options, exe int) error {
	mounts, err := detach(&s, o, exe) // while init's runtime starts
	if err != nil {
		return refused(spec.FilesystemWall, err)
	}
	defer closeAll(mounts)
	if err := b.wire.SendSpec(s, mounts...); err != nil {
		return &Error{Err: b.orCrash(err)}
	}
	for {
		m, fds, err := b.wire.Receive()
		if err != nil {
			return &Error{Err: b.orCrash(errors.New("init ended before the walls stood"))}
		}
		switch {
		case m.Op == spec.OpNotify && len(fds) == 1 && b.notify == nil:
			b.notify = os.NewFile(uintptr(fds[0]), "refused calls")
			answering, err := answerCalls(fds[0])
			if err != nil {
				return &Error{Wall: spec.ProcessWall, Err: err}
			}
			// Until the supervisor answers refused calls, those of the proof
			// are answered here.
			defer answering.stop()
		case m.Op == spec.OpSockets && len(fds) == len(m.Sockets) && b.sockets == nil:
			if err := b.take(m.Sockets, fds); err != nil {
				return &Error{Wall: spec.NetworkWall, Err: err}
			}
		case m.Op == spec.OpProof && len(fds) == 0:
			b.proofs, b.abi = m.Proofs, m.ABI
			return nil
		case m.Op == spec.OpFailed:
			closeAll(fds)
			return refused(m.Wall, fromInside(m))
		default:
			closeAll(fds)
			return &Error{Err: fmt.Errorf("init said %q with %d descriptors", m.Op, len(fds))}
		}
	}
}

// letGo closes what a Box that never stood has been handed.
func (b *Box) letGo() {
	b.wire.Close()
	if b.notify != nil {
		b.notify.Close()
	}
	for _, h := range b.sockets {
		h.File.Close()
	}
	if b.line != nil {
		b.line.c.Close()
	}
}

// orCrash is err, with what init said when it crashed.
func (b *Box) orCrash(err error) error {
	_ = b.Kill()
	_ = b.Wait()
	<-b.heard
	if story := bytes.TrimSpace(b.crash); len(story) > 0 {
		return fmt.Errorf("%w: %s", err, story)
	}
	return err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
