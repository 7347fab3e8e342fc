package bare

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// born starts l and waits for its end.
func born(t *testing.T, l *List, flags uintptr) syscall.WaitStatus {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, err := Start(l, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestList(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	text := []byte("made")
	l := &List{}
	dup := l.Must(unix.SYS_FCNTL, w.Fd(), unix.F_DUPFD_CLOEXEC, 50)
	wrong := l.May(unix.SYS_CLOSE, 12345)
	wrote := l.Must(unix.SYS_WRITE, 0, uintptr(unsafe.Pointer(&text[0])), uintptr(len(text))).On(dup)
	l.Must(unix.SYS_EXIT_GROUP, 7)
	if ws := born(t, l, 0); ws.ExitStatus() != 7 {
		t.Errorf("ended with %v", ws)
	}
	if got, err := dup.Got(); got < 50 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := wrong.Got(); err != unix.EBADF {
		t.Errorf("%v", err)
	}
	if got, err := wrote.Got(); got != len(text) || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	b := make([]byte, 10)
	if n, err := r.Read(b); string(b[:n]) != "made" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
	if call, err := l.Failed(); call != 0 || err != 0 {
		t.Errorf("%d, %v", call, err)
	}
}

// Nothing follows a call that gave less than it must.
func TestFailed(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Close()
	var b [1]byte
	for name, make := range map[string]func(*List){
		"an error":   func(l *List) { l.Must(unix.SYS_CLOSE, 12345) },
		"too little": func(l *List) { l.Must(unix.SYS_READ, r.Fd(), uintptr(unsafe.Pointer(&b)), 1).Least(1) },
	} {
		l := &List{}
		make(l)
		l.Must(unix.SYS_EXIT_GROUP, 7)
		if ws := born(t, l, 0); ws.ExitStatus() != 1 {
			t.Errorf("%s: ended with %v", name, ws)
		}
		if call, err := l.Failed(); call != 1 || (err != 0) != strings.Contains(name, "error") {
			t.Errorf("%s: call %d, %v", name, call, err)
		}
	}
}

// What waits takes what is appended meanwhile, and signals do not wake it.
func TestAppended(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := &struct {
		List
		word [1]byte // with the list, and so not on the stack
	}{}
	l.Must(unix.SYS_READ, r.Fd(), uintptr(unsafe.Pointer(&l.word)), 1).Least(1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, err := Start(&l.List, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if grown(10_000) != 10_000 { // the list stays where it is when our stack moves
		t.Fatal("cannot count")
	}
	l.Must(unix.SYS_EXIT_GROUP, 9)
	w.Write([]byte{1})
	w.Close()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws.ExitStatus() != 9 {
		t.Errorf("%v, %v", ws, err)
	}
}

// grown needs n frames.
//
//go:noinline
func grown(n int) int {
	if n == 0 {
		return 0
	}
	return grown(n-1) + 1
}

func TestExecute(t *testing.T) {
	path, arg := append([]byte("/bin/sh"), 0), []byte("kill -TERM $$; exit 5\x00")
	flag := []byte("-c\x00")
	argv := []*byte{&path[0], &flag[0], &arg[0], nil}
	l := &List{}
	l.HeedSignals()
	l.Must(unix.SYS_EXECVE, uintptr(unsafe.Pointer(&path[0])), uintptr(unsafe.Pointer(&argv[0])), 0)
	if ws := born(t, l, 0); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("a signal was kept from what was executed: %v", ws)
	}
	runtime.KeepAlive(argv)
}

// Against the offsets in the assembly, and the kernel's numbers.
func TestLayout(t *testing.T) {
	var l List
	var c Call
	for what, got := range map[string][2]uintptr{
		"failed": {unsafe.Offsetof(l.failed), 8}, "calls": {unsafe.Offsetof(l.calls), 16},
		"args": {unsafe.Offsetof(c.args), 8}, "from": {unsafe.Offsetof(c.from), 56}, "least": {unsafe.Offsetof(c.least), 64},
		"got": {unsafe.Offsetof(c.got), 72}, "size": {unsafe.Sizeof(c), 80},
		"clone3": {sysClone3, unix.SYS_CLONE3}, "into cgroup": {cloneIntoCgroup, unix.CLONE_INTO_CGROUP},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, not %d", what, got[0], got[1])
		}
	}
}
