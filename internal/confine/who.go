package confine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// look answers who holds a socket, or which program a process is. What cannot
// be told for sure is an answer without a program.
func (in *inside) look(m spec.Message) {
	answer := spec.Message{Op: spec.OpHolders, ID: m.ID}
	pid := m.PID
	if m.Op == spec.OpWho {
		var err error
		if pid, err = in.holder(m.Local, m.Remote); err != nil {
			answer.Error = err.Error()
		}
	}
	if pid > 1 {
		if p, ok := program(pid); ok {
			answer.Programs = []spec.Program{p}
		}
	}
	_ = in.up.Send(answer)
}

// errUnknown means that the holder cannot be told.
var errUnknown = errors.New("several holders, or one that cannot be read")

// holder is the one process that has the connected TCP socket local → remote
// open. A process that cannot be read might be a second holder, so there is no
// answer then.
func (in *inside) holder(local, remote netip.AddrPort) (int, error) {
	inode, err := in.diag.inode(local, remote)
	if err != nil {
		return 0, err
	}
	link := "socket:[" + strconv.FormatUint(inode, 10) + "]"
	names, err := readNames("/proc")
	if err != nil {
		return 0, err
	}
	spawner := in.nursery.spawner()
	found := 0
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == 1 || pid == spawner {
			continue
		}
		has, err := holds(name, link)
		switch {
		case err != nil && ended(pid):
			continue
		case err != nil:
			return 0, fmt.Errorf("%w: process %d: %w", errUnknown, pid, err)
		case has && found != 0:
			return 0, errUnknown
		case has:
			found = pid
		}
	}
	if found == 0 {
		return 0, errUnknown
	}
	return found, nil
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// holds says whether a descriptor of process pid is link.
func holds(pid, link string) (bool, error) {
	dir := "/proc/" + pid + "/fd"
	fds, err := readNames(dir)
	if err != nil {
		return false, err
	}
	for _, fd := range fds {
		// A descriptor that is closed meanwhile is none.
		if to, err := os.Readlink(dir + "/" + fd); err == nil && to == link {
			return true, nil
		}
	}
	return false, nil
}

// plain is a without a zone, and as IPv4 where it is mapped.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// program says what process pid is. The start time before and after holds
// that it is one process that was looked at.
func program(pid int) (spec.Program, bool) {
	before, ok := stat(pid)
	if !ok {
		return spec.Program{}, false
	}
	dir := "/proc/" + strconv.Itoa(pid)
	exe, err := os.Readlink(dir + "/exe")
	if err != nil {
		return spec.Program{}, false
	}
	var st unix.Stat_t
	if err := unix.Stat(dir+"/exe", &st); err != nil {
		return spec.Program{}, false
	}
	p := spec.Program{PID: pid, Exe: exe, Dev: st.Dev, Ino: st.Ino, Name: before.name, Parents: parents(before.parent)}
	after, ok := stat(pid)
	again, err := os.Readlink(dir + "/exe")
	if !ok || err != nil || after.started != before.started || again != exe {
		return spec.Program{}, false
	}
	return p, true
}

// maxParents bounds a chain that an agent can make as long as it likes.
const maxParents = 32

// parents are the executables of pid and its ancestors, up to the spawner.
func parents(pid int) []string {
	var out []string
	for pid > 1 && len(out) < maxParents {
		exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
		if err != nil {
			// The spawner, or an agent that hides: either way the chain ends.
			return out
		}
		out = append(out, exe)
		s, ok := stat(pid)
		if !ok {
			return out
		}
		pid = s.parent
	}
	return out
}

// ended says whether a process is gone, or waits for its parent to take its
// status: the kernel shows nothing of such a one, but it holds nothing either.
// One whose first thread alone has left has not ended; one that is killed with
// all its threads has in a moment.
func ended(pid int) bool {
	s, ok := stat(pid)
	if !ok || s.leaving && s.threads <= 1 {
		return true
	}
	return s.leaving && endsSoon(pid)
}

// soon bounds how long a question waits for one process, in milliseconds.
const soon = 20

func endsSoon(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return errors.Is(err, unix.ESRCH)
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, soon)
		if !errors.Is(err, unix.EINTR) {
			return n == 1
		}
	}
}

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
	b, err := os.ReadFile(path.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, false
	}
	// The name may hold anything, brackets too; what follows the last one may
	// not.
	text := string(b)
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
