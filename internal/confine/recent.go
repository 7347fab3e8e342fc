package confine

import (
	"encoding/binary"
	"io"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// recent is the process that was found last, kept open: what connects has often
// connected before. To find it again takes a third of the calls, and promises
// the same: it holds the socket now, nobody else does, and its program is what
// is said. Its folders in /proc are this one process's for ever, whoever gets
// its number after it (proc(5)). The zero value has nobody. It is for one
// goroutine.
type recent struct {
	all     int   // /proc
	first   int64 // where PID 1 stands in it
	dir     int   // /proc/PID; 0 where nobody is kept
	fds     int   // /proc/PID/fd
	fd      string
	program spec.Program
	parents []parent
	spawner int                 // that the chain of parents ends with
	room    *[unix.PathMax]byte // what is read; made once, since most questions end here
}

// parent is one of the parents of the process that is kept.
type parent struct {
	dir int // /proc/PID
	exe string
}

// find is the program that holds want, a socket's name in /proc, if it is the
// recent one and nobody else; where that is not sure at once, ok is false.
func (r *recent) find(want string, spawner int) (p spec.Program, ok bool) {
	if r.dir == 0 || spawner != r.spawner || !r.holds(want) || !r.alone(want, spawner) || !r.same() {
		return spec.Program{}, false
	}
	to, err := r.link(r.fds, r.fd) // still: see stillHolds
	return r.program, err == nil && to == want
}

// holds looks at the descriptor that the last one had, and then at the newest.
func (r *recent) holds(want string) bool {
	if to, err := r.link(r.fds, r.fd); err == nil && to == want {
		return true
	}
	if _, err := unix.Seek(r.fds, 0, io.SeekStart); err != nil {
		return false
	}
	var fds []int
	if eachNumberIn(r.fds, r.room[:], func(fd int) bool { fds = append(fds, fd); return len(fds) < quickly }) != nil {
		return false
	}
	for _, fd := range slices.Backward(fds) {
		name := strconv.Itoa(fd)
		if to, err := r.link(r.fds, name); err == nil && to == want {
			r.fd = name
			return true
		}
	}
	return false
}

// alone says whether no other process holds want. One that cannot be read might.
func (r *recent) alone(want string, spawner int) bool {
	if _, err := unix.Seek(r.all, r.first, io.SeekStart); err != nil {
		return false
	}
	budget, alone := quickly, true
	err := eachNumberIn(r.all, r.room[:], func(pid int) bool {
		if pid == 1 || pid == spawner || pid == r.program.PID {
			return true
		}
		has, err := holds(pid, want, &budget)
		alone = !has && err == nil
		return alone
	})
	return err == nil && alone
}

// same says whether the process, and its parents, are still what they were.
func (r *recent) same() bool {
	exe, err := r.link(r.dir, "exe")
	if err != nil || exe != r.program.Exe {
		return false
	}
	var st unix.Stat_t
	if unix.Fstatat(r.dir, "exe", &st, 0) != nil || st.Dev != r.program.Dev || st.Ino != r.program.Ino {
		return false
	}
	for _, up := range r.parents { // one that has ended is read no more
		if exe, err := r.link(up.dir, "exe"); err != nil || exe != up.exe {
			return false
		}
	}
	return true
}

// keep makes p, which was just found to hold want, the recent one. It is not
// kept where its parents end with anybody but the spawner: of one that hides
// nothing can be seen to change.
func (r *recent) keep(p spec.Program, want string, spawner int) {
	r.forget()
	fresh := recent{all: r.all, first: r.first, program: p, spawner: spawner, fd: "0", room: r.room}
	if fresh.room == nil {
		fresh.room = new([unix.PathMax]byte)
	}
	if !fresh.open() || !fresh.climb(spawner) || !fresh.holds(want) || !fresh.same() {
		fresh.forget()
	}
	*r = fresh
}

func (r *recent) open() bool {
	if r.all == 0 && !r.openAll() {
		return false
	}
	var err1, err2 error
	r.dir, err1 = openFolder(procPath(r.program.PID, "."))
	r.fds, err2 = openFolder(procPath(r.program.PID, "fd"))
	return err1 == nil && err2 == nil
}

// openAll opens /proc, and finds where its processes begin behind its files.
func (r *recent) openAll() bool {
	fd, err := openFolder("/proc")
	if err != nil {
		return false
	}
	var b [4096]byte
	for last := int64(0); ; {
		n, err := unix.Getdents(fd, b[:])
		if n <= 0 || err != nil {
			unix.Close(fd)
			return false
		}
		for rest := b[:n]; len(rest) > direntName; {
			size := min(int(binary.NativeEndian.Uint16(rest[direntSize:])), len(rest))
			if number, ok := digits(rest[direntName:size]); ok && number == 1 {
				r.all, r.first = fd, last
				return true
			}
			last = int64(binary.NativeEndian.Uint64(rest[direntNext:]))
			rest = rest[size:]
		}
	}
}

// climb opens the parents, up to the spawner or to us.
func (r *recent) climb(spawner int) bool {
	for pid := r.program.PID; len(r.parents) < maxParents; {
		s, ok := stat(pid)
		if !ok {
			return false
		}
		if pid = s.parent; pid <= 1 || pid == spawner {
			return true
		}
		dir, err := openFolder(procPath(pid, "."))
		if err != nil {
			return false
		}
		exe, err := r.link(dir, "exe")
		r.parents = append(r.parents, parent{dir, exe})
		if i := len(r.parents) - 1; err != nil || i >= len(r.program.Parents) || r.program.Parents[i] != exe {
			return false
		}
	}
	return false
}

// forget closes what is kept, but for /proc itself.
func (r *recent) forget() {
	for _, fd := range []int{r.dir, r.fds} {
		if fd > 0 {
			unix.Close(fd)
		}
	}
	for _, up := range r.parents {
		unix.Close(up.dir)
	}
	*r = recent{all: r.all, first: r.first, room: r.room}
}

// link is where the symbolic link name in the folder dir leads.
func (r *recent) link(dir int, name string) (string, error) {
	n, err := unix.Readlinkat(dir, name, r.room[:])
	if err != nil {
		return "", err
	}
	return string(r.room[:n]), nil
}

func openFolder(path string) (int, error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
