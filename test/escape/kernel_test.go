package escape

import (
	"golang.org/x/sys/unix"
)

// kernelCases ask for parts of the kernel that no agent needs. Where the call
// would change the machine its arguments are nonsense: what counts is whether
// it got as far as to be told so.
func kernelCases() []attackCase {
	const bad = ^uintptr(0)
	raw := func(id, name, syscall string, root bool, nr uintptr, args ...uintptr) attackCase {
		return attackCase{id: "D79 " + id, name: name, wall: "process", root: root, event: "syscall " + syscall,
			attack: func(world) error { return reached(nr, args...) }}
	}
	return []attackCase{
		{id: "D79 bpf", name: "a map of BPF", wall: "process", root: true, event: "syscall bpf", attack: func(world) error {
			attr := make([]byte, 128) // BPF_MAP_TYPE_ARRAY, key 4, value 4, one entry
			attr[0], attr[4], attr[8], attr[12] = 2, 4, 4, 1
			_, err := call(unix.SYS_BPF, unix.BPF_MAP_CREATE, at(attr), uintptr(len(attr)))
			return err
		}},
		raw("perf", "count events of the machine", "perf_event_open", true, unix.SYS_PERF_EVENT_OPEN, bad, 0, 0, bad, 0),
		raw("userfaultfd", "handle its own page faults", "userfaultfd", false, unix.SYS_USERFAULTFD, unix.O_CLOEXEC|1 /* in user mode only */),
		raw("keyctl", "the keyring of the user", "keyctl", false, unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, keyring(unix.KEY_SPEC_USER_SESSION_KEYRING), 1),
		{id: "D79 add_key", name: "a key of its own", wall: "process", event: "syscall add_key", attack: func(world) error {
			_, err := unix.AddKey("user", "escape", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
			return err
		}},
		{id: "D79 request_key", name: "ask for a key", wall: "process", event: "syscall request_key", attack: func(world) error {
			_, err := unix.RequestKey("user", "escape", "", 0)
			return refusedBy(err)
		}},
		raw("kexec", "another kernel", "kexec_load", true, unix.SYS_KEXEC_LOAD, 0, bad, 0, bad),
		raw("kexec file", "another kernel, from a file", "kexec_file_load", true, unix.SYS_KEXEC_FILE_LOAD, bad, bad, 0, 0, bad),
		raw("init_module", "a module", "init_module", true, unix.SYS_INIT_MODULE, 0, 0, bad),
		raw("finit_module", "a module, from a file", "finit_module", true, unix.SYS_FINIT_MODULE, bad, bad, 0),
		raw("delete_module", "one module less", "delete_module", true, unix.SYS_DELETE_MODULE, bad, 0),
		raw("acct", "accounting", "acct", true, unix.SYS_ACCT, bad),
		raw("swapon", "swap", "swapon", true, unix.SYS_SWAPON, bad, 0),
		raw("swapoff", "less swap", "swapoff", true, unix.SYS_SWAPOFF, bad),
		raw("quotactl", "quotas", "quotactl", true, unix.SYS_QUOTACTL, bad, bad, 0, bad),
		raw("reboot", "the power switch", "reboot", true, unix.SYS_REBOOT, 0, 0, 0, 0),
		raw("syslog", "the kernel's log", "syslog", true, unix.SYS_SYSLOG, 10 /* its size */, 0, 0),
		{id: "D79 settimeofday", name: "the clock", wall: "process", event: "syscall settimeofday", root: true,
			attack: func(world) error { return toEpoch(unix.SYS_SETTIMEOFDAY) }},
		{id: "D79 clock_settime", name: "another clock", wall: "process", event: "syscall clock_settime", root: true,
			attack: func(world) error { return toEpoch(unix.SYS_CLOCK_SETTIME, unix.CLOCK_REALTIME) }},
		raw("personality", "memory without randomisation", "personality", false, unix.SYS_PERSONALITY, 0x40000),
		{id: "D79 sethostname", name: "the host's name", wall: "process", event: "syscall sethostname",
			attack: func(world) error { return unix.Sethostname([]byte("escaped")) }},
		{id: "D79 vmsplice", name: "lend pages to a pipe", wall: "process", attack: func(world) error { return reached(unix.SYS_VMSPLICE, bad, 0, 0, 0) }},
		{id: "D79 mm", name: "move its own memory's borders", wall: "process", event: "syscall prctl", root: true,
			attack: func(world) error { return reached(unix.SYS_PRCTL, unix.PR_SET_MM, bad, 0, 0, 0) }},
	}
}

// keyring is a special keyring's number, which is negative.
func keyring(id int) uintptr { return uintptr(id) }
