package filter

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRowsAreWhole(t *testing.T) {
	names := map[string]int{}
	for _, r := range Table() {
		if r.Name == "" || r.Why == "" {
			t.Errorf("row %d (%q): no name or no why", r.Nr, r.Name)
		}
		if other, twice := names[r.Name]; twice {
			t.Errorf("%s: numbers %d and %d", r.Name, other, r.Nr)
		}
		names[r.Name] = r.Nr
		if Name(r.Nr) != r.Name {
			t.Errorf("Name(%d) = %q, want %q", r.Nr, Name(r.Nr), r.Name)
		}
	}
	if got := Name(999); got != "syscall 999" {
		t.Errorf("Name(999) = %q", got)
	}
}

// Every call that is allowed whatever its arguments has somebody who needs it,
// and nobody is said to need another.
func TestPlainCallsAreNeeded(t *testing.T) {
	all := map[string]bool{}
	l := new(list)
	plain(l)
	legacy(l)
	for _, r := range l.rows {
		all[r.Name] = true
		if r.Action == Allow && len(r.Cases) == 0 && neededBy(r.Name) == "" {
			t.Errorf("%s: who needs it?", r.Name)
		}
	}
	for _, n := range needs {
		for _, name := range strings.Fields(n.calls) {
			if !all[name] && arch == unix.AUDIT_ARCH_X86_64 {
				t.Errorf("%s: %s needs it, and it has no row", name, n.by)
			}
		}
	}
}

// docs/system-calls.md is the table, for people; -update writes it.
func TestDocs(t *testing.T) {
	if arch != unix.AUDIT_ARCH_X86_64 {
		t.Skip("needs amd64, whose calls are written down")
	}
	var b strings.Builder
	b.WriteString(head)
	for _, r := range Table() {
		e := Explain(r.Name)
		answer := e.Verdict
		for _, c := range e.Cases {
			answer += "; " + c
		}
		b.WriteString("| " + r.Name + " | " + answer + " | " + e.Why + " |\n")
	}
	const file = "../../../docs/system-calls.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if was, err := os.ReadFile(file); err != nil || string(was) != b.String() {
		t.Errorf("docs/system-calls.md is not the table (%v): go test ./internal/confine/filter -run TestDocs -update", err)
	}
}

var update = flag.Bool("update", false, "write docs/system-calls.md")

const head = `# System calls

What the process wall does with each call, on amd64, and why: the table that the
filter is made of, written by a test. A call that is not here does not exist
inside (ENOSYS), and libraries fall back. *refuse* answers EPERM and is an event;
an error's name is that error, in silence. Arguments count from 1.
` + "`nemoclaw NAME policy explain --syscall CALL`" + ` says the same of one call.

| call | answer | why |
|---|---|---|
`

// What design and the catalogue of escapes promise, spelt out call by call:
// the table may change, this list may not.
func TestPromises(t *testing.T) {
	table := Table()
	for _, c := range []struct {
		name string
		args [6]uint64
		want Action
	}{
		{"clone", [6]uint64{unix.CLONE_VM | unix.CLONE_VFORK | uint64(unix.SIGCHLD)}, Allow},
		{"clone", [6]uint64{unix.CLONE_NEWUSER}, Refuse},
		{"clone", [6]uint64{unix.CLONE_NEWUSER | 1<<40}, Refuse},
		{"clone3", [6]uint64{}, Absent},
		{"openat2", [6]uint64{}, Absent},
		{"io_uring_setup", [6]uint64{}, Absent},
		{"unshare", [6]uint64{unix.CLONE_NEWTIME}, Refuse},
		{"unshare", [6]uint64{unix.CLONE_FS}, Allow},
		{"unshare", [6]uint64{unix.CLONE_FILES}, Refuse},
		{"clone", [6]uint64{unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_FILES}, Allow},
		{"clone", [6]uint64{unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD}, Refuse},
		{"close_range", [6]uint64{3, 9, unix.CLOSE_RANGE_CLOEXEC}, Allow},
		{"close_range", [6]uint64{3, 9, unix.CLOSE_RANGE_UNSHARE}, Errno(unix.EINVAL)},
		{"setns", [6]uint64{}, Refuse},
		{"socket", [6]uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, 0}, Allow},
		{"socket", [6]uint64{unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP}, Allow},
		{"socket", [6]uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, Errno(unix.EPROTONOSUPPORT)},
		{"socket", [6]uint64{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP}, Refuse},
		{"socket", [6]uint64{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE}, Refuse},
		{"socket", [6]uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP}, Refuse},
		{"socket", [6]uint64{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW}, Refuse},
		{"socket", [6]uint64{unix.AF_INET, unix.SOCK_PACKET, 0}, Refuse},
		{"socket", [6]uint64{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, Refuse},
		{"socket", [6]uint64{unix.AF_VSOCK | 1<<32, unix.SOCK_STREAM, 0}, Refuse},
		{"socket", [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, Allow},
		{"socket", [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, Refuse},
		{"socket", [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT}, Errno(unix.EPROTONOSUPPORT)},
		{"socket", [6]uint64{unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_KOBJECT_UEVENT}, Refuse},
		{"setpriority", [6]uint64{unix.PRIO_PROCESS, 0, 5}, Allow},
		{"setpriority", [6]uint64{unix.PRIO_PROCESS, 1, 5}, Refuse},
		{"setpriority", [6]uint64{unix.PRIO_PROCESS, 77, 5}, Errno(unix.EPERM)},
		{"socketpair", [6]uint64{unix.AF_UNIX}, Allow},
		{"socketpair", [6]uint64{unix.AF_TIPC}, Refuse},
		{"ioctl", [6]uint64{0, unix.TIOCSTI}, Refuse},
		{"ioctl", [6]uint64{0, unix.TIOCSTI | 1<<32}, Refuse},
		{"ioctl", [6]uint64{0, unix.TIOCGWINSZ}, Allow},
		{"prctl", [6]uint64{unix.PR_SET_MM}, Refuse},
		{"prctl", [6]uint64{unix.PR_SET_PTRACER}, Errno(unix.EINVAL)},
		{"prctl", [6]uint64{unix.PR_SET_VMA}, Allow},
		{"personality", [6]uint64{unixRandomizeOff}, Refuse},
		{"personality", [6]uint64{0xffffffff}, Allow},
		{"prlimit64", [6]uint64{1, unix.RLIMIT_NOFILE, 0, 8}, Allow},
		{"prlimit64", [6]uint64{1, unix.RLIMIT_NOFILE, 8, 0}, Refuse},
		{"prlimit64", [6]uint64{1, unix.RLIMIT_NOFILE, 1 << 32, 0}, Refuse},
		{"setpriority", [6]uint64{unix.PRIO_USER, 0}, Refuse},
		{"setpriority", [6]uint64{unix.PRIO_USER | 1<<32, 0}, Refuse}, // the kernel sees the lower half alone
		{"setpriority", [6]uint64{unix.PRIO_PROCESS | 1<<32, 1 | 1<<32, 5}, Refuse},
		{"setpriority", [6]uint64{unix.PRIO_PROCESS, 77 | 1<<32, 5}, Errno(unix.EPERM)},
		{"setpriority", [6]uint64{unix.PRIO_PROCESS | 1<<32, 1 << 32, 5}, Allow},
		{"sched_setaffinity", [6]uint64{1}, Refuse},
		{"sched_setaffinity", [6]uint64{77}, Errno(unix.EPERM)},
		{"openat", [6]uint64{0, 0, unix.O_CREAT, 0o4755}, Refuse},
		{"openat", [6]uint64{0, 0, unix.O_TMPFILE, 0o2755}, Refuse},
		{"openat", [6]uint64{0, 0, unix.O_DIRECTORY, 0o7777}, Allow},
		{"openat", [6]uint64{0, 0, unix.O_CREAT, 0o1777}, Allow},
		{"fchmodat2", [6]uint64{0, 0, 0o4755}, Refuse},
		{"mknodat", [6]uint64{0, 0, unix.S_IFCHR}, Refuse},
		{"mknodat", [6]uint64{0, 0, unix.S_IFIFO | 0o600}, Allow},
		{"mknodat", [6]uint64{0, 0, unix.S_IFREG | 0o4755}, Refuse},
		{"renameat2", [6]uint64{4: unix.RENAME_WHITEOUT}, Refuse},
		{"renameat2", [6]uint64{4: unix.RENAME_NOREPLACE}, Allow},
		{"memfd_create", [6]uint64{}, Allow},
		{"seccomp", [6]uint64{unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER}, Allow},
		{"landlock_restrict_self", [6]uint64{}, Allow},
	} {
		i := slices.IndexFunc(table, func(r Row) bool { return r.Name == c.name })
		if i < 0 {
			t.Errorf("%s: no row", c.name)
			continue
		}
		if got := plainly(table, asked{uint32(table[i].Nr), arch, c.args}); got != c.want {
			t.Errorf("%s(%#x) = %v, want %v", c.name, c.args, got, c.want)
		}
	}
}

// unixRandomizeOff is ADDR_NO_RANDOMIZE of personality(2).
const unixRandomizeOff = 0x40000

// Numbers of the kernel's headers that x/sys has not, or has under another
// name, must agree with it where they meet.
func TestConstants(t *testing.T) {
	for name, c := range map[string][2]uint64{
		"SOCK_TYPE_MASK": {kindOf, kindOf | unix.SOCK_STREAM | unix.SOCK_DGRAM | unix.SOCK_RAW | unix.SOCK_SEQPACKET},
		"__O_TMPFILE":    {creates, unix.O_CREAT | 0o20000000},
		"CLONE_NEW*":     {namespaces, 0x7e020000},
		"S_ISUID|GID":    {raised, 0o6000},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %#x, want %#x", name, c[0], c[1])
		}
	}
}
