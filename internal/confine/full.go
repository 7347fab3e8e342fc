package confine

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// full answers which limits are met that the kernel holds each program to and counts
// nowhere, beside the rest: open files, the file systems of the sandbox's own, and, where no
// control group does, processes. It only looks at this moment.
func (in *inside) full(id uint64) {
	m := spec.Message{Op: spec.OpFilled, ID: id}
	most := in.limit(unix.RLIMIT_NOFILE)
	left, at := countable, 0
	_ = eachNumber("/proc", func(pid int) bool { // of what cannot be listed nothing is said
		m.Tasks += threads(pid)
		if pid == 1 || most == 0 {
			return true
		}
		if n := opened(pid, &left); n >= most-most/10 && n > uint64(m.Count) {
			m.Count, at = int(n), pid
		}
		return true
	})
	if p, ok := program(at); ok {
		m.Programs = []spec.Program{p}
	}
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		if isFull(dir) {
			m.Places = append(m.Places, dir)
		}
	}
	// An error means that the supervisor is gone, and the next Receive ends us.
	_ = in.up.Send(m)
}

// limit is what everything inside may have of a resource; 0 is no limit of ours.
func (in *inside) limit(resource int) uint64 {
	for _, l := range in.nursery.spec.Rlimits {
		if l.Resource == resource {
			return l.Soft
		}
	}
	return 0
}

// countable bounds how many descriptors are counted one by one at one look, about a tenth
// of a second: older kernels than Linux 6.2 do not say how many there are.
const countable = 1 << 16

// opened is how many files process pid has open; 0 where it cannot be told. What is counted
// one by one is taken from left.
func opened(pid int, left *int) (n uint64) {
	dir := procPath(pid, "fd")
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil || st.Size > 0 {
		return uint64(max(st.Size, 0)) // proc_pid_fd(5)
	}
	_ = eachNumber(dir, func(int) bool {
		*left--
		n++
		return *left > 0
	})
	return n
}

// threads is how many threads process pid has: their folder has a link for each, and two
// of its own.
func threads(pid int) int {
	var st unix.Stat_t
	if err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/task", &st); err != nil {
		return 0
	}
	return max(int(st.Nlink)-2, 0)
}

// isFull says whether the file system at dir has less than a sixty-fourth left, or room for
// no further file.
func isFull(dir string) bool {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false
	}
	return st.Blocks > 0 && st.Bavail <= st.Blocks/64 || st.Files > 0 && st.Ffree == 0
}
