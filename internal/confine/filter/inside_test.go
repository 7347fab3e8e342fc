package filter

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/notify"
)

// Inside is the word that makes this test binary a program behind the filter
// (or, for a control, before it).
//
//	inside bare|behind try            reads []asked from stdin, writes each errno
//	inside bare|behind works NAME     runs one of the things that must work
//	inside bare|behind exec PROG …    becomes the program
//
// Descriptor 3 is a socket on which it sends its listener.
const insideWord = "inside"

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == insideWord {
		if err := inside(os.Args[2] == "behind", os.Args[3], os.Args[4:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func inside(behind bool, verb string, args []string) error {
	if behind {
		if err := enter(); err != nil {
			return err
		}
	}
	syscall.CloseOnExec(3)
	switch verb {
	case "try":
		return try()
	case "works":
		return working[args[0]]()
	case "exec":
		path, err := exec.LookPath(args[0])
		if err != nil {
			return err
		}
		return unix.Exec(path, args, os.Environ())
	}
	return fmt.Errorf("inside: unknown verb %q", verb)
}

// enter installs the filter and gives its listener away, as init does.
func enter() error {
	prog, err := Compile()
	if err != nil {
		return err
	}
	fd, err := Install(prog, true)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	return unix.Close(fd)
}

// try makes every call of stdin on one thread without capabilities, so that a
// hole in the filter would show and yet do no harm.
func try() error {
	var calls []tried
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		return err
	}
	runtime.LockOSThread()
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return err
	}
	if state, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil || state != unix.SECCOMP_MODE_FILTER {
		return fmt.Errorf("no filter stands: %d, %w", state, err)
	}
	for i, c := range calls {
		_, _, calls[i].Errno = unix.Syscall6(uintptr(c.Nr), uintptr(c.Args[0]), uintptr(c.Args[1]), uintptr(c.Args[2]), uintptr(c.Args[3]), uintptr(c.Args[4]), uintptr(c.Args[5]))
	}
	return json.NewEncoder(os.Stdout).Encode(calls)
}

type tried struct {
	Nr    int
	Args  [6]uint64
	Errno syscall.Errno
}

// told is what the kernel tells a listener.
type told = notify.Call

// ours is the error with which these tests answer: no kernel gives it for any
// call they make, so whoever sees it was stopped by the filter.
const ours = unix.EXFULL

// ran is how a program inside ended and what its listener was told.
type ran struct {
	out  string
	err  error
	told []told
}

// names lists the refused calls.
func (r ran) names() []string {
	var out []string
	for _, n := range r.told {
		out = append(out, fmt.Sprintf("%s(%#x)", Name(int(n.Nr)), n.Args))
	}
	return out
}

// run starts this binary as a program inside and answers its refused calls.
func run(t *testing.T, where string, stdin string, args ...string) ran {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append([]string{insideWord, where}, args...)...)
	cmd.Stdin, cmd.ExtraFiles = strings.NewReader(stdin), []*os.File{theirs}
	cmd.Env = append(os.Environ(), "GOCACHE="+goCache(t), "HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	cmd.Dir = t.TempDir()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out

	var r ran
	var wg sync.WaitGroup
	wg.Go(func() {
		defer unix.Close(pair[0])
		r.told = listen(pair[0])
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	r.err = cmd.Wait()
	wg.Wait()
	r.out = out.String()
	return r
}

// goCache is this user's own, so that a program inside need not compile the
// standard library again.
func goCache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("GOCACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return filepath.Join(dir, "go-build")
}

// listen receives a listener on sock and answers until nobody is behind the
// filter any more.
func listen(sock int) []told {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(sock, make([]byte, 1), oob, 0)
	if err != nil || n == 0 {
		return nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) == 0 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		return nil
	}
	defer unix.Close(fds[0])
	var all []told
	for {
		p := []unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, -1); err == unix.EINTR {
			continue
		}
		if p[0].Revents&unix.POLLIN == 0 {
			return all
		}
		q, err := notify.Receive(fds[0])
		if err != nil {
			continue
		}
		all = append(all, q)
		_ = notify.Refuse(fds[0], q.ID, ours) // it may have been killed meanwhile
	}
}

// refusals is every combination of interesting arguments that the table does
// not allow, at most limit for one answer of one row.
func refusals(table []Row, limit int) []tried {
	var out []tried
	for _, r := range table {
		count := map[Action]int{}
		for _, v := range vectors(r) {
			a := plainly(table, asked{uint32(r.Nr), arch, v})
			if a == Allow || count[a] >= limit {
				continue
			}
			count[a]++
			out = append(out, tried{Nr: r.Nr, Args: v})
		}
	}
	return slices.Clip(out)
}
