package early

import (
	"os"
	"syscall"
	"unsafe"

	"github.com/nemoclaw/nemoclaw/internal/control/hail"
	"github.com/nemoclaw/nemoclaw/internal/host/spare"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth"
	"github.com/nemoclaw/nemoclaw/internal/launch/birth/ahead"
)

// What was begun. Set once, here, before anybody can look.
var (
	begun  *birth.Child
	asking = -1
)

// Not a registration: it is the one place from which this can be done.
func init() {
	args := commandLine()
	switch {
	case wantsRun(args):
		begun = birth.Begin(birth.Options{User: user, Ahead: ahead.Begun()})
	case len(args) > 1:
		if argv, ok := plain(args); ok {
			asking = ask(args[1], argv)
		}
	}
}

// Init is that of a run, on its way; nil where nobody wants one.
func Init() *birth.Child { return begun }

// wantsRun says whether this is a run, and no question about it.
func wantsRun(args []string) bool {
	if len(args) < 2 || args[1] != "run" || base(args[0]) == "openshell" {
		return false
	}
	for _, a := range args {
		if a == "-h" || a == "--help" {
			return false
		}
	}
	return true
}

// user is one for a sandbox that root starts.
func user() (uid, gid uint32, err error) {
	uid, err = spare.User(func(name string) ([]byte, error) { return os.ReadFile("/" + name) }, draw)
	return uid, uid, err
}

// draw is a random number of the kernel's; 0 where it has none to give.
func draw() (n uint64) {
	_, _, _ = syscall.RawSyscall(sysGetrandom, uintptr(unsafe.Pointer(&n)), unsafe.Sizeof(n), 0)
	return n
}

// Exec is a connection to the supervisor on which the command of this command
// line was asked for, to be taken over by the caller. Without one, ok is false.
func Exec() (fd int, ok bool) { return asking, asking >= 0 }

// most bounds the command lines that are looked at, in bytes: what is written
// to the socket is taken at once.
const most = 16 << 10

// commandLine is what os.Args will be; nil where it cannot be read.
func commandLine() []string {
	fd, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = syscall.Close(fd) }()
	b := room(most)
	n, err := syscall.Read(fd, b)
	if err != nil || n == len(b) {
		return nil
	}
	var args []string
	for i, from := 0, 0; i < n; i++ {
		if b[i] == 0 {
			args = append(args, string(b[from:i]))
			from = i + 1
		}
	}
	return args
}

// room makes n bytes, and not on the stack, which would have to grow: 0.1 ms.
//
//go:noinline
func room(n int) []byte { return make([]byte, n) }

// plain takes what a script calls, `NAME exec [-T] -- COMMAND …` without a
// terminal, and nothing else.
func plain(args []string) (argv []string, ok bool) {
	if len(args) < 5 || args[2] != "exec" || !isName(args[1]) || base(args[0]) == "openshell" {
		return nil, false
	}
	rest := args[3:]
	noTTY := rest[0] == "-T"
	if noTTY {
		rest = rest[1:]
	}
	if len(rest) < 2 || rest[0] != "--" || !noTTY && terminal(0) && terminal(1) {
		return nil, false
	}
	return rest[1:], true
}

// base is the last part of a path.
func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// isName says whether s can be a sandbox's name, and leads nowhere else.
func isName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return s != ""
}

func terminal(fd uintptr) bool {
	var t syscall.Termios
	_, _, e := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TCGETS, uintptr(unsafe.Pointer(&t)))
	return e == 0
}

// ask asks the supervisor of the sandbox called name for a command; -1 where
// that cannot be done.
func ask(name string, argv []string) int {
	dir, ok := home(syscall.Getenv)
	if !ok {
		return -1
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: dir + "/" + name + "/run/control.sock"})
	if err == nil {
		// All of it or, where the supervisor left between the two, nothing.
		_, err = syscall.Write(fd, append([]byte(hail.Request(hail.Exec)), hail.Ask("", nil, argv)...))
	}
	if err != nil {
		_ = syscall.Close(fd)
		return -1
	}
	return fd
}

// home is where package state finds it, if it is ours alone.
func home(getenv func(string) (string, bool)) (string, bool) {
	dir, _ := getenv("NEMOCLAW_HOME")
	if dir == "" {
		dir, _ = getenv("HOME")
		dir += "/.nemoclaw"
	}
	var st syscall.Stat_t
	if dir[0] != '/' || syscall.Stat(dir, &st) != nil {
		return "", false
	}
	const writable = syscall.S_IWGRP | syscall.S_IWOTH
	return dir, st.Mode&syscall.S_IFMT == syscall.S_IFDIR && st.Uid == uint32(syscall.Geteuid()) && st.Mode&writable == 0
}
