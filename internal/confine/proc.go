package confine

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// /proc is read here with the plain calls. Every connection of an agent asks
// who holds it, and package os makes twice as many calls of each.

// eachNumber calls see with every name in dir that is a number, until see
// returns false. It reads until there is nothing: a signal cuts a reading short
// (getdents(2) does not say so).
func eachNumber(dir string, see func(int) bool) error {
	fd, err := openFolder(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var b [4096]byte
	for {
		n, err := unix.Getdents(fd, b[:])
		if n <= 0 || err != nil {
			return err
		}
		for rest := b[:n]; len(rest) > direntName; {
			size := min(int(binary.NativeEndian.Uint16(rest[direntSize:])), len(rest))
			if number, ok := digits(rest[direntName:size]); ok && !see(number) {
				return nil
			}
			rest = rest[size:]
		}
	}
}

// Where struct linux_dirent64 has the place of the next, its own size, and its
// name. See getdents(2).
const (
	direntNext = 8
	direntSize = 16
	direntName = 19
)

// digits reads a number that ends with 0.
func digits(b []byte) (n int, ok bool) {
	for i, c := range b {
		switch {
		case c == 0:
			return n, i > 0
		case c < '0' || c > '9' || n > 1<<30:
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return 0, false
}

// procPath is /proc/PID/name.
func procPath(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// link is where a symbolic link leads.
func link(path string) (string, error) {
	var b [unix.PathMax]byte
	n, err := unix.Readlink(path, b[:])
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// holds says whether a descriptor of process pid leads to want: the newest
// first, since what is asked about has just been opened. Each that is looked at
// costs one of budget; errBudget means that it was not enough.
func holds(pid int, want string, budget *int) (bool, error) {
	dir := procPath(pid, "fd")
	var fds []int
	err := eachNumber(dir, func(fd int) bool {
		fds = append(fds, fd)
		return true
	})
	if err != nil {
		return false, err
	}
	for _, fd := range slices.Backward(fds) {
		if *budget--; *budget < 0 {
			return false, errBudget
		}
		// A descriptor that is closed meanwhile is none.
		if to, err := link(dir + "/" + strconv.Itoa(fd)); err == nil && to == want {
			return true, nil
		}
	}
	return false, nil
}

// errBudget: there is more to look at than was allowed.
var errBudget = errors.New("too many descriptors for a quick look")

// process is what proc_pid_stat(5) tells.
type process struct {
	name    string
	parent  int
	leaving bool // has begun to exit, or is a zombie
	threads int
	started string // clock ticks after boot
}

// exiting is PF_EXITING of linux/sched.h.
const exiting = 4

func stat(pid int) (process, bool) {
	var b [1024]byte
	n, err := readSmall(procPath(pid, "stat"), b[:])
	if err != nil {
		return process{}, false
	}
	return parseStat(string(b[:n]))
}

// readSmall reads a file of /proc that fits into b at once, as those do that
// the kernel writes in one go.
func readSmall(path string, b []byte) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, b)
	if err == nil && n == len(b) {
		err = io.ErrShortBuffer
	}
	return max(n, 0), err
}

// parseStat: the name may hold anything, brackets too; what follows the last
// one may not.
func parseStat(text string) (process, bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return process{}, false
	}
	f := strings.Fields(text[end+1:])
	if len(f) < 20 {
		return process{}, false
	}
	p := process{name: text[open+1 : end], started: f[19]}
	parent, err1 := strconv.Atoi(f[1])
	flags, err2 := strconv.ParseUint(f[6], 10, 64)
	threads, err3 := strconv.Atoi(f[17])
	p.parent, p.threads = parent, threads
	p.leaving = f[0] == "Z" || f[0] == "X" || flags&exiting != 0
	return p, err1 == nil && err2 == nil && err3 == nil
}
