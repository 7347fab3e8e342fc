package escape

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// processCases make processes and namespaces, or lay hands on what is outside.
func processCases() []attackCase {
	out := []attackCase{
		{id: "D77 see", name: "find a process of the host", attack: findMarker},
		{id: "D78 clone3", name: "a namespace by clone3", attack: func(world) error { return cloneWith(unix.CLONE_NEWUSER) }},
		{id: "D81 clone", name: "a namespace, flags with high bits", attack: func(world) error { return forkWith(unix.CLONE_NEWUSER | 1<<40) }, event: "syscall clone"},
		{id: "D78 setns", name: "the namespace of PID 1", attack: joinInit, event: "syscall setns"},
		{id: "D80", name: "a call of 32-bit Linux", attack: func(world) error { return foreign() }},
		{id: "D80 x32", name: "a call of x32", attack: func(world) error {
			_, err := call(0x40000000|unix.SYS_GETPID, 0)
			return err
		}},
		{id: "D81 TIOCSTI", name: "type into a terminal, with high bits", attack: terminal(unix.TIOCSTI | 1<<32), event: "syscall ioctl"},
		{id: "D82 TIOCSTI", name: "type into a terminal", attack: terminal(unix.TIOCSTI), event: "syscall ioctl"},
		{id: "D82 TIOCLINUX", name: "paste into a console", attack: terminal(unix.TIOCLINUX), event: "syscall ioctl"},
		{id: "D82 TIOCSETD", name: "load a line discipline", attack: terminal(unix.TIOCSETD), event: "syscall ioctl"},
		{id: "D162", name: "call home from a memory file", attack: fromMemory("A1"), event: "tcp 203.0.113.5:443"},
		{id: "D162 files", name: "read the host from a memory file", attack: fromMemory("C50")},
		{id: "D163", name: "a filter with a listener of its own", attack: func(world) error { return listener() }},
		{id: "D87 fifo", name: "real-time scheduling", attack: func(world) error {
			p := []byte{1, 0, 0, 0}
			_, err := call(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_FIFO, at(p))
			return err
		}, root: true},
		{id: "D87 nice", name: "a priority above others", attack: func(world) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -10) }, root: true},
		{id: "D66 suid", name: "become root by a setuid program", attack: becomeRoot, root: true},
		{id: "E101", name: "keys in the environment", attack: func(w world) error { return loot([]byte(strings.Join(os.Environ(), "\n")), w.Token) }},
		{id: "E101 init", name: "keys in the environment of PID 1", attack: func(w world) error { return steal("/proc/1/environ", w) }},
	}
	for _, n := range []struct {
		name string
		flag uintptr
	}{
		{"user", unix.CLONE_NEWUSER}, {"mount", unix.CLONE_NEWNS}, {"pid", unix.CLONE_NEWPID}, {"net", unix.CLONE_NEWNET},
		{"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}, {"cgroup", unix.CLONE_NEWCGROUP},
	} {
		out = append(out, attackCase{id: "D78 " + n.name, name: "a " + n.name + " namespace of its own", event: "syscall clone",
			attack: func(world) error { return forkWith(n.flag) }})
	}
	return inWall(out, "process")
}

// findMarker looks for a process that only the host has.
func findMarker(w world) error {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, p := range all {
		b, err := os.ReadFile(p)
		// The attack's own arguments name the marker too, in the world.
		if err == nil && strings.HasSuffix(string(b), "\x00"+victimWord+"\x00"+w.Marker+"\x00") {
			return nil
		}
	}
	return fmt.Errorf("%d processes, all of the sandbox", len(all))
}

// joinInit moves to PID 1's network namespace; it is its own, so nothing moves
// even where it works.
func joinInit(world) error {
	for _, p := range []string{"/proc/1/ns/net", "/proc/self/ns/net"} {
		fd, err := unix.Open(p, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		defer unix.Close(fd)
		return unix.Setns(fd, unix.CLONE_NEWNET)
	}
	return errors.New("no namespace could be opened")
}

// terminal asks something of a terminal that is none: whoever is told so got
// through to the kernel.
func terminal(request uintptr) func(world) error {
	return func(world) error { return reached(unix.SYS_IOCTL, ^uintptr(0), request) }
}

// fromMemory runs another attack as a program that has no file.
func fromMemory(id string) func(world) error {
	return func(w world) error {
		fd, err := unix.MemfdCreate("attack", 0)
		if err != nil {
			return err
		}
		b, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "attack")
		defer f.Close()
		if _, err := f.Write(b); err != nil {
			return err
		}
		args := append([]string{}, os.Args[1:]...)
		args[1] = id
		out, err := exec.Command("/proc/self/fd/"+strconv.Itoa(fd), args...).Output()
		if o := read(string(out), err); !o.Escaped {
			return errors.New(o.Why + o.Needs)
		}
		return nil
	}
}

// becomeRoot starts a program that belongs to root and lends him.
func becomeRoot(w world) error {
	su := filepath.Join(w.Shared, "id")
	c := exec.Command(su, "-u")
	if os.Getuid() == 0 { // the control: somebody who is not root
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := c.Output()
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(out)) != "0" {
		return fmt.Errorf("still user %s", strings.TrimSpace(string(out)))
	}
	return nil
}

// initCases lay hands on PID 1, which has the same user.
func initCases() []attackCase {
	out := []attackCase{
		{id: "D76 attach", name: "trace PID 1", attack: func(world) error { return reached(unix.SYS_PTRACE, unix.PTRACE_SEIZE, 1, 0, 0) }, event: "syscall ptrace"},
		{id: "D76 read", name: "read the memory of PID 1", attack: func(world) error { return refusedBy(peek(1, 0x1000)) }, event: "syscall process_vm_readv"},
		{id: "D76 write", name: "write the memory of PID 1", attack: func(world) error { return refusedBy(poke(1, 0x1000)) }, event: "syscall process_vm_writev"},
		{id: "D76 mem", name: "open the memory of PID 1", attack: canOpen("/proc/1/mem", os.O_RDWR)},
		{id: "D76 getfd", name: "take a descriptor of PID 1", attack: takeDescriptor, event: "syscall pidfd_getfd"},
		{id: "D76 kcmp", name: "compare with PID 1", attack: func(world) error { return reached(unix.SYS_KCMP, 1, uintptr(os.Getpid()), 0, 0, 0) }, event: "syscall kcmp"},
		{id: "D196 maps", name: "read the maps of PID 1", attack: canRead("/proc/1/maps")},
		{id: "D196 fd", name: "list the descriptors of PID 1", attack: lists("/proc/1/fd")},
		{id: "D196 cwd", name: "enter the folder of PID 1", attack: func(world) error { return unix.Chdir("/proc/1/cwd") }},
		{id: "D197 signal", name: "signal PID 1", attack: func(world) error { return unix.Kill(1, 0) }},
		{id: "D197 pidfd", name: "signal PID 1 by descriptor", attack: func(world) error {
			fd, err := unix.PidfdOpen(1, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.PidfdSendSignal(fd, 0, nil, 0)
		}},
		{id: "D197 limits", name: "set the limits of PID 1", attack: func(world) error {
			var l unix.Rlimit
			return errors.Join(unix.Prlimit(1, unix.RLIMIT_CORE, nil, &l), unix.Prlimit(1, unix.RLIMIT_CORE, &l, nil))
		}, event: "syscall prlimit64"},
		{id: "D197 nice", name: "the priority of PID 1", attack: sameNice(unix.PRIO_PROCESS, 1), event: "syscall setpriority"},
		{id: "D197 user", name: "the priority of all of its user", attack: sameNice(unix.PRIO_USER, 0), event: "syscall setpriority"},
		{id: "D197 io", name: "the disk priority of PID 1", attack: func(world) error { return reached(unix.SYS_IOPRIO_SET, 1, 1, 3<<13) }, event: "syscall ioprio_set"},
		{id: "D197 cpu", name: "the processors of PID 1", attack: func(world) error {
			var set unix.CPUSet
			return errors.Join(unix.SchedGetaffinity(1, &set), unix.SchedSetaffinity(1, &set))
		}, event: "syscall sched_setaffinity"},
		{id: "D197 scheduler", name: "the scheduling of PID 1", attack: func(world) error {
			p := make([]byte, 4)
			return reached(unix.SYS_SCHED_SETSCHEDULER, 1, unix.SCHED_BATCH, at(p))
		}, event: "syscall sched_setscheduler"},
	}
	return inWall(out, "process")
}

func canRead(path string) func(world) error {
	return func(world) error {
		b, err := os.ReadFile(path)
		if err == nil && len(b) == 0 {
			return errors.New("empty")
		}
		return err
	}
}

// sameNice sets a priority to what it is, which needs no right but over who.
func sameNice(which, who int) func(world) error {
	return func(world) error {
		is, err := unix.Getpriority(which, who) // 20 less the nice value: getpriority(2), "C library/kernel differences"
		if err != nil {
			return err
		}
		return unix.Setpriority(which, who, 20-is)
	}
}

func takeDescriptor(world) error {
	fd, err := unix.PidfdOpen(1, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.PidfdGetfd(fd, 0, 0)
	return err
}
