package tries

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func process() []Try {
	out := []Try{
		{ID: "D78 clone3", What: "a namespace by clone3", do: func() error { return reached(unix.SYS_CLONE3) }},
		{ID: "D78 setns", What: "the namespaces of another", do: func() error { return reached(unix.SYS_SETNS, bad, 0) }},
		{ID: "D80", What: "a call of 32-bit Linux", victim: true, do: foreign},
		{ID: "D80 x32", What: "a call of x32", do: func() error { return reached(0x40000000 | unix.SYS_GETPID) }},
		{ID: "D81 TIOCSTI", What: "type into a terminal, with high bits", do: terminal(unix.TIOCSTI | 1<<32)},
		{ID: "D82 TIOCSTI", What: "type into a terminal", do: terminal(unix.TIOCSTI)},
		{ID: "D82 TIOCLINUX", What: "paste into a console", do: terminal(unix.TIOCLINUX)},
		{ID: "D82 TIOCSETD", What: "load a line discipline", do: terminal(unix.TIOCSETD)},
		{ID: "D87 fifo", What: "real-time scheduling", do: func() error {
			p := []byte{1, 0, 0, 0}
			return reached(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_FIFO, at(p))
		}},
		{ID: "D87 nice", What: "a priority above others", do: func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -10) }},
		{ID: "D66 gain", What: "any privilege at all", do: privileges},
		{ID: "D76 attach", What: "trace PID 1", Call: "ptrace", do: func() error { return reached(unix.SYS_PTRACE, unix.PTRACE_SEIZE, 1) }},
		{ID: "D76 read", What: "read the memory of PID 1", Call: "process_vm_readv", do: func() error { return reached(unix.SYS_PROCESS_VM_READV, 1) }},
		{ID: "D76 write", What: "write the memory of PID 1", Call: "process_vm_writev", do: func() error { return reached(unix.SYS_PROCESS_VM_WRITEV, 1) }},
		{ID: "D76 mem", What: "open the memory of PID 1", do: canOpen("/proc/1/mem", unix.O_RDWR)},
		{ID: "D76 getfd", What: "take a descriptor of another", Call: "pidfd_getfd", do: func() error { return reached(unix.SYS_PIDFD_GETFD, bad) }},
		{ID: "E101 init", What: "read the environment of PID 1", do: reads("/proc/1/environ")},
		{ID: "D196 maps", What: "read the maps of PID 1", do: reads("/proc/1/maps")},
		{ID: "D196 fd", What: "list the descriptors of PID 1", do: lists("/proc/1/fd")},
		{ID: "D197 signal", What: "signal PID 1", Scope: true, do: func() error { return unix.Kill(1, 0) }},
		{ID: "D197 limits", What: "set the limits of PID 1", do: func() error { return unix.Prlimit(1, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) }},
		{ID: "D197 scheduler", What: "the scheduling of PID 1", do: func() error {
			p := make([]byte, 4)
			return reached(unix.SYS_SCHED_SETSCHEDULER, 1, unix.SCHED_BATCH, at(p))
		}},
		{ID: "E97", What: "shared memory of the host", do: segments},
	}
	for _, n := range []struct {
		name string
		flag uintptr
	}{
		{"user", unix.CLONE_NEWUSER}, {"mount", unix.CLONE_NEWNS}, {"pid", unix.CLONE_NEWPID}, {"net", unix.CLONE_NEWNET},
		{"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}, {"cgroup", unix.CLONE_NEWCGROUP},
	} {
		out = append(out, Try{ID: "D78 " + n.name, What: "a " + n.name + " namespace of its own",
			do: func() error { return forkWith(n.flag) }, want: append([]error{unix.ENOSPC /* the limit */}, no...)})
	}
	return inWall(out, spec.ProcessWall)
}

// bad is an argument that no call can take: what counts is whether it got as
// far as to be told so.
const bad = ^uintptr(0)

// kernel asks for parts of the kernel that no agent needs. No argument means
// anything, so that nothing happens where a call is let through.
func kernel() []Try {
	var out []Try
	for _, k := range []struct {
		name, what string
		nr         uintptr
		args       []uintptr
	}{
		{"bpf", "a program in the kernel", unix.SYS_BPF, []uintptr{bad, 0, 0}},
		{"perf", "count events of the machine", unix.SYS_PERF_EVENT_OPEN, []uintptr{bad, 0, 0, bad, 0}},
		{"userfaultfd", "handle its own page faults", unix.SYS_USERFAULTFD, []uintptr{bad}},
		{"keyctl", "a keyring", unix.SYS_KEYCTL, []uintptr{bad}},
		{"add_key", "a key of its own", unix.SYS_ADD_KEY, nil},
		{"request_key", "ask for a key", unix.SYS_REQUEST_KEY, nil},
		{"kexec", "another kernel", unix.SYS_KEXEC_LOAD, []uintptr{0, bad, 0, bad}},
		{"init_module", "a module", unix.SYS_INIT_MODULE, []uintptr{0, 0, bad}},
		{"finit_module", "a module, from a file", unix.SYS_FINIT_MODULE, []uintptr{bad, bad, 0}},
		{"delete_module", "one module less", unix.SYS_DELETE_MODULE, []uintptr{bad, 0}},
		{"acct", "accounting", unix.SYS_ACCT, []uintptr{bad}},
		{"swapon", "swap", unix.SYS_SWAPON, []uintptr{bad, 0}},
		{"quotactl", "quotas", unix.SYS_QUOTACTL, []uintptr{bad, bad, 0, bad}},
		{"reboot", "the power switch", unix.SYS_REBOOT, []uintptr{0, 0, 0, 0}},
		{"syslog", "the kernel's log", unix.SYS_SYSLOG, []uintptr{10, 0, 0}},
		{"settimeofday", "the clock", unix.SYS_SETTIMEOFDAY, []uintptr{bad, bad}},
		{"personality", "memory without randomisation", unix.SYS_PERSONALITY, []uintptr{0x40000}},
		{"vmsplice", "lend pages to a pipe", unix.SYS_VMSPLICE, []uintptr{bad, 0, 0, 0}},
		{"kcmp", "compare with PID 1", unix.SYS_KCMP, []uintptr{1, 1, 0, 0, 0}},
	} {
		name := k.name
		if name == "perf" {
			name = "perf_event_open"
		}
		out = append(out, Try{ID: "D79 " + k.name, What: k.what, Call: name, do: func() error { return reached(k.nr, k.args...) }})
	}
	return inWall(out, spec.ProcessWall)
}

// terminal asks something of a terminal that is none: whoever is told so got
// through to the kernel.
func terminal(request uintptr) func() error {
	return func() error { return reached(unix.SYS_IOCTL, bad, request) }
}

// privileges looks for a capability, and for a way to get one by exec. See
// proc_pid_status(5).
func privileges() error {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	want := map[string]string{"CapPrm": strings.Repeat("0", 16), "CapEff": strings.Repeat("0", 16), "CapBnd": strings.Repeat("0", 16), "NoNewPrivs": "1", "Seccomp": "2"}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if is, ok := want[name]; ok && strings.TrimSpace(value) != is {
			return nil
		}
		delete(want, name)
	}
	if len(want) > 0 {
		return nil
	}
	return held("no capability, and no_new_privs")
}

// segments looks for shared memory that somebody else made.
func segments() error {
	b, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return err
	}
	if strings.Count(string(b), "\n") > 1 {
		return nil
	}
	return held("there is none")
}

// router asks the inference router for what an agent must not do.
func router() []Try {
	post := func(path, body string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1:11434\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " +
			strconv.Itoa(len(body)) + "\r\n\r\n" + body
	}
	out := []Try{
		{ID: "A19", What: "the router's port, taken over", do: takePort, want: append([]error{unix.EADDRINUSE}, no...)},
		{ID: "F177 pull", What: "fetch a model", do: speaks(model, post("/api/pull", `{"model":"try"}`), "403")},
		{ID: "F177 delete", What: "delete a model", do: speaks(model, post("/api/delete", `{"model":"try"}`), "403")},
		{ID: "F177 create", What: "make a model", do: speaks(model, post("/api/create", `{"model":"try"}`), "403")},
	}
	for i := range out {
		out[i].Router = true
	}
	return inWall(out, spec.InferenceWall)
}

// takePort listens where the router does, beside it.
func takePort() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, model); err != nil {
		return err
	}
	return unix.Listen(fd, 1)
}
