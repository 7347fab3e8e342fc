package confine

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/recent"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// tell answers on the line, until it ends: who holds a socket, asked for each
// connection that an agent makes. From the first question on, a thread of its
// own answers for who was found last, and leaves all others to here. Many a
// sandbox is never asked.
func (in *inside) tell(line int) {
	to := wire.New(line)
	defer to.Close()
	runtime.LockOSThread()
	yield() // the thread too: it inherits that
	q, err := hear(line)
	if err != nil {
		return
	}
	last, passed, err := in.remember(line)
	if err != nil {
		return // the supervisor asks as it does about all else
	}
	for ; err == nil; q, err = hear(passed) {
		in.look(to, spec.Message{Op: spec.OpWho, ID: q.ID, Local: q.Local, Remote: q.Remote}, last)
	}
}

// remember starts the thread; what it passes on comes from passed.
func (in *inside) remember(line int) (last *recent.Thread, passed int, err error) {
	passed, far, err := wire.Pair()
	if err != nil {
		return nil, -1, err
	}
	proc, first, err := openProc()
	if err != nil {
		return nil, -1, err
	}
	last, err = recent.Start(line, far, in.own, proc, first)
	if err == nil {
		in.nursery.introduce(last)
	}
	return last, passed, err
}

// hear takes the next question from fd. The end of the other side is io.EOF.
func hear(fd int) (spec.Question, error) {
	var b spec.PackedQuestion
	for {
		n, err := unix.Read(fd, b[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return spec.Question{}, err
		case n != len(b):
			return spec.Question{}, io.EOF
		default:
			return b.Question(), nil
		}
	}
}

// known opens the folders of p and of its parents. ok is false, and nothing is
// open, where they end with anybody but the spawner: of one that hides nothing
// can be seen to change.
func known(p spec.Program, spawner int) (k recent.Process, ok bool) {
	k = recent.Process{Program: p, Spawner: spawner}
	defer func() {
		if !ok {
			k.Close()
		}
	}()
	var err1, err2 error
	k.Dir, err1 = openFolder(procPath(p.PID, "."))
	k.Fds, err2 = openFolder(procPath(p.PID, "fd"))
	if err1 != nil || err2 != nil {
		return k, false
	}
	for pid := p.PID; len(k.Parents) < recent.MaxParents; {
		s, ok := stat(pid)
		if !ok {
			return k, false
		}
		if pid = s.parent; pid <= 1 || pid == spawner {
			return k, true
		}
		up, ok := parent(pid)
		if !ok {
			return k, false
		}
		k.Parents = append(k.Parents, up)
		if i := len(k.Parents) - 1; i >= len(p.Parents) || p.Parents[i] != up.Exe {
			return k, false
		}
	}
	return k, false
}

// parent opens the folder of one.
func parent(pid int) (p recent.Parent, ok bool) {
	var err error
	if p.Dir, err = openFolder(procPath(pid, ".")); err != nil {
		return p, false
	}
	if p.Exe, err = link(procPath(pid, "exe")); err != nil {
		unix.Close(p.Dir)
	}
	return p, err == nil
}

func openFolder(path string) (int, error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// openProc opens /proc, and finds where its processes begin behind its files.
func openProc() (fd int, first int64, err error) {
	if fd, err = openFolder("/proc"); err != nil {
		return -1, 0, err
	}
	var b [4096]byte
	for {
		n, err := unix.Getdents(fd, b[:])
		if n <= 0 || err != nil {
			unix.Close(fd)
			return -1, 0, cmp.Or(err, errNoProcesses)
		}
		for rest := b[:n]; len(rest) > direntName; {
			size := min(int(binary.NativeEndian.Uint16(rest[direntSize:])), len(rest))
			if number, ok := digits(rest[direntName:size]); ok && number == 1 {
				return fd, first, nil
			}
			first = int64(binary.NativeEndian.Uint64(rest[direntNext:]))
			rest = rest[size:]
		}
	}
}

// errNoProcesses: /proc shows not even PID 1.
var errNoProcesses = errors.New("no processes are shown")
