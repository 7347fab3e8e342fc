package launch

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/detached"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth"
)

// detach makes a detached mount of every source, when root starts the sandbox:
// the sandbox's user may not reach them by path. It writes their positions
// into a copy of s's mounts. Without root there is nothing to do: who starts
// is who is inside. See open_tree(2).
func detach(s *spec.Spec, c *birth.Child) ([]int, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	s.Mounts = slices.Clone(s.Mounts)
	var fds []int
	exe, err := c.Program.File()
	if err != nil {
		return nil, err
	}
	maps := idMaps{exe: exe, to: c.UID, group: c.GID, held: map[owner]int{}}
	defer maps.close()
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if m.Kind != spec.Bind && m.Kind != spec.Lower {
			continue
		}
		fd, err := detached.Take(*m)
		if err != nil {
			closeAll(fds)
			return nil, fmt.Errorf("open %s: %w", m.Source, err)
		}
		fds = append(fds, fd)
		m.Fd = len(fds)
		if err := maps.apply(fd, m.Owner); err != nil {
			closeAll(fds)
			return nil, fmt.Errorf("prepare %s for the sandbox: %w", m.Source, err)
		}
	}
	return fds, nil
}

// owner is whose a source is on the host.
type owner struct{ uid, gid uint32 }

// idMaps are user namespaces that say how owners are seen in id-mapped mounts,
// one for each owner.
type idMaps struct {
	exe       int // a program that waits
	to, group uint32
	held      map[owner]int
}

func (x idMaps) close() {
	for _, fd := range x.held {
		unix.Close(fd)
	}
}

// apply parts the mount fd from the one that it is a copy of: on most machines
// mounts are shared (mount_namespaces(7)), and what is mounted into it inside would
// stand on the host too, below the workspace, for good. With give it also makes
// the owner of fd's top folder the sandbox's user in that mount, and the other way
// round for what is made in it. See mount_setattr(2), "ID-mapped mounts".
func (x idMaps) apply(fd int, give bool) error {
	attr := &unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if give {
		ns, err := x.of(fd)
		if err != nil {
			return err
		}
		if ns >= 0 {
			attr.Attr_set, attr.Userns_fd = unix.MOUNT_ATTR_IDMAP, uint64(ns)
		}
	}
	return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr)
}

// of is the namespace for the owner of fd's top folder; negative where that is the
// sandbox's user already.
func (x idMaps) of(fd int) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, err
	}
	of := owner{st.Uid, st.Gid}
	if of == (owner{x.to, x.group}) {
		return -1, nil
	}
	if ns, ok := x.held[of]; ok {
		return ns, nil
	}
	ns, err := x.namespace(of)
	if err == nil {
		x.held[of] = ns
	}
	return ns, err
}

// namespace makes a user namespace in which of is our user. It needs a process
// to be born in it, which ends as soon as the namespace is held.
func (x idMaps) namespace(of owner) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer r.Close()
	pid, err := syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(x.exe), []string{"nemoclaw-init", "hold"}, &syscall.ProcAttr{
		Dir: "/", Env: []string{}, Files: []uintptr{r.Fd()},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: int(of.uid), HostID: int(x.to), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: int(of.gid), HostID: int(x.group), Size: 1}},
		},
	})
	if err != nil {
		w.Close()
		return -1, fmt.Errorf("make user namespace: %w", err)
	}
	ns, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	w.Close()
	var ws syscall.WaitStatus
	_, _ = syscall.Wait4(pid, &ws, 0, nil)
	return ns, err
}
