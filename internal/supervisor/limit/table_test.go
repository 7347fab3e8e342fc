package limit

import (
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
)

// verdict reads the table as package filter documents it.
func verdict(table []filter.Row, name string, args ...uint64) filter.Action {
	var a [6]uint64
	copy(a[:], args)
	i := slices.IndexFunc(table, func(r filter.Row) bool { return r.Name == name })
	if i < 0 {
		return filter.Absent
	}
	for _, c := range table[i].Cases {
		if !slices.ContainsFunc(c.Tests, func(t filter.Test) bool { return !slices.Contains(t.Any, a[t.Arg]&t.Mask) }) {
			return c.Action
		}
	}
	return table[i].Action
}

// What a limited process is promised to be refused, and what it needs, call by
// call: the table may change, this list may not.
func TestTable(t *testing.T) {
	const self, init = 1000, 2000
	supervisor := Limits{Network: true, Kill: init}.table(self)
	clerk := Limits{}.table(self)
	no := filter.Errno(unix.EPERM)
	thread := uint64(unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD)
	for _, c := range []struct {
		name              string
		args              []uint64
		supervisor, clerk filter.Action
	}{
		{"execve", nil, no, no}, {"execveat", nil, no, no}, {"ptrace", nil, no, no}, {"mount", nil, no, no},
		{"unshare", []uint64{0}, no, no}, {"setns", nil, no, no}, {"memfd_create", nil, no, no}, {"memfd_create", []uint64{0, 3}, filter.Allow, no},
		{"memfd_create", []uint64{0, 3 | unix.MFD_EXEC}, filter.Allow, no}, {"memfd_create", []uint64{0, 3 | unix.MFD_HUGETLB}, no, no}, {"capset", nil, no, no},
		{"seccomp", nil, no, no}, {"chmod", nil, no, no}, {"fchmodat", nil, no, no}, {"linkat", nil, no, no}, {"truncate", nil, no, no},
		{"pidfd_open", nil, no, no}, {"pidfd_send_signal", nil, no, no}, {"tkill", nil, no, no}, {"listen", nil, no, no}, {"socketpair", nil, no, no},
		{"clone3", nil, filter.Absent, filter.Absent}, {"openat2", nil, filter.Absent, filter.Absent}, {"io_uring_setup", nil, filter.Absent, filter.Absent},
		{"clone", []uint64{thread}, filter.Allow, filter.Allow},
		{"clone", []uint64{uint64(unix.SIGCHLD)}, no, no},
		{"clone", []uint64{unix.CLONE_VM | unix.CLONE_VFORK}, no, no},
		{"clone", []uint64{thread | unix.CLONE_NEWUSER}, no, no},
		{"mmap", []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE}, filter.Allow, filter.Allow},
		{"mmap", []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, no, no},
		{"mprotect", []uint64{0, 4096, unix.PROT_EXEC | 1<<40}, no, no},
		{"fchmod", []uint64{3, 0o600}, filter.Allow, filter.Allow}, {"fchmod", []uint64{3, 0o4755}, no, no}, {"fchmod", []uint64{3, 0o111}, filter.Allow, no}, {"fchmod", []uint64{3, 0o644}, no, no},
		{"kill", []uint64{init, 9}, filter.Allow, no}, {"kill", []uint64{self, 9}, filter.Allow, filter.Allow},
		{"kill", []uint64{1, 9}, no, no}, {"kill", []uint64{0, 9}, no, no}, {"kill", []uint64{1<<32 - 1, 9}, no, no},
		{"tgkill", []uint64{self, 1001, 23}, filter.Allow, filter.Allow}, {"tgkill", []uint64{init, init, 9}, no, no},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC, 0}, filter.Allow, no},
		{"socket", []uint64{unix.AF_INET6, unix.SOCK_DGRAM, 0}, filter.Allow, no},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, filter.Allow, no},
		{"socket", []uint64{unix.AF_UNIX, unix.SOCK_STREAM, 0}, no, no}, {"socket", []uint64{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, no, no},
		{"socket", []uint64{unix.AF_INET, unix.SOCK_RAW, 1}, no, no}, {"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, no, no},
		{"connect", nil, filter.Allow, no}, {"bind", nil, filter.Allow, no}, {"accept4", nil, filter.Allow, filter.Allow},
		{"openat", nil, filter.Allow, filter.Allow}, {"renameat", nil, filter.Allow, filter.Allow}, {"futex", nil, filter.Allow, filter.Allow},
		{"splice", nil, filter.Allow, filter.Allow}, {"inotify_add_watch", nil, filter.Allow, filter.Allow}, {"waitid", nil, filter.Allow, filter.Allow},
	} {
		if got := verdict(supervisor, c.name, c.args...); got != c.supervisor {
			t.Errorf("supervisor: %s(%#x): %v, want %v", c.name, c.args, got, c.supervisor)
		}
		if got := verdict(clerk, c.name, c.args...); got != c.clerk {
			t.Errorf("clerk: %s(%#x): %v, want %v", c.name, c.args, got, c.clerk)
		}
	}
	for _, table := range [][]filter.Row{supervisor, clerk} {
		if _, err := filter.CompileRows(table); err != nil {
			t.Error(err)
		}
	}
}

// A name that no call has would be kept in vain.
func TestKeptNamesExist(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64, which has the older calls too")
	}
	known := map[string]bool{}
	for _, r := range filter.Table() {
		known[r.Name] = true
	}
	for _, name := range slices.Concat(kept, networking) {
		if !known[name] {
			t.Errorf("no call is named %q", name)
		}
	}
	for name := range (Limits{Network: true}).judged(1) {
		if !known[name] {
			t.Errorf("no call is named %q", name)
		}
	}
}
