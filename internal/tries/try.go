package tries

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Try is one attempt at something that must be refused.
type Try struct {
	ID   string // the case of test/escape: letter, number and a word
	Wall spec.Wall
	What string
	// Policy marks what the operator's own policy decides: with the network
	// wall switched off by the operator it is allowed.
	Policy bool
	// Router marks what needs the inference router at its place.
	Router bool
	// Scope marks what Landlock alone refuses, by a scope, from ABI 6 on.
	Scope bool

	// Call is the system call, where an operator may allow it.
	Call string

	do     func() error
	want   []error // what a refusal is; nil for EPERM, EACCES and ENOSYS
	victim bool    // may be killed for it, so it runs as a process of its own
}

// no are the ways in which the kernel and its filters refuse.
var no = []error{unix.EPERM, unix.EACCES, unix.ENOSYS}

// nothing are those, and the answers of a place where the thing does not exist.
var nothing = []error{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.ENOENT, unix.ENOTDIR, unix.EROFS}

// All is the whole table, in the order of the walls.
func All() []Try { return slices.Concat(network(), files(), mounts(), process(), kernel(), router()) }

// Report is what one try met.
type Report struct {
	ID      string
	Refused bool
	Got     string // in the kernel's words
}

// held is a refusal that is no error number.
type held string

func (h held) Error() string { return string(h) }

// judge makes a report of what do returned.
func (t Try) judge(err error) Report {
	r := Report{ID: t.ID, Got: "done"}
	if err == nil {
		return r
	}
	want := t.want
	if want == nil {
		want = no
	}
	var h held
	r.Got = err.Error()
	r.Refused = errors.As(err, &h) || slices.ContainsFunc(want, func(e error) bool { return errors.Is(err, e) })
	return r
}

// Run tries everything and writes a line each to out.
func Run(out io.Writer) error {
	for _, t := range All() {
		if _, err := out.Write(t.judge(t.run()).line()); err != nil {
			return err
		}
	}
	return nil
}

func (t Try) run() error {
	if t.victim {
		return inChild(t.ID)
	}
	// The runtime's own signals interrupt what waits on a socket with a bound.
	var err error
	for range 5 {
		if err = t.do(); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return err
}

// One runs the try called id in this process, which may be killed for it, and
// returns the exit code that tells inChild what came of it.
func One(id string) int {
	for _, t := range All() {
		if t.ID != id {
			continue
		}
		err := t.do()
		var e unix.Errno
		switch {
		case err == nil:
			return 0
		case errors.As(err, &e) && e > 0 && e < 128:
			return int(e)
		}
	}
	return 255
}

// inChild runs one try as a process of its own.
func inChild(id string) error {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"nemoclaw-tries", "one", id}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		return fmt.Errorf("start a process: %w", errors.Unwrap(err))
	}
	var ws syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &ws, 0, nil); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err != nil:
		return errors.New("its process was lost")
	case ws.Signaled() && ws.Signal() == unix.SIGSYS:
		return held("killed by the filter")
	case ws.Signaled():
		return errors.New("its process was killed by " + ws.Signal().String())
	case ws.ExitStatus() == 0:
		return nil
	case ws.ExitStatus() == 255:
		return errors.New("its process could not say")
	}
	return unix.Errno(ws.ExitStatus())
}

// line is a report as it crosses the wall: three fields between tabs.
func (r Report) line() []byte {
	word := "through"
	if r.Refused {
		word = "refused"
	}
	return []byte(r.ID + "\t" + word + "\t" + strconv.Quote(r.Got) + "\n")
}

// maxReport bounds what is read of a report, in bytes; a whole one has about
// 6000.
const maxReport = 64 << 10

// Read takes the reports from what the program wrote. A line that is none, and
// a second one of a try, are errors: the report is then nobody's.
func Read(from io.Reader) (map[string]Report, error) {
	all := map[string]Report{}
	in := bufio.NewScanner(io.LimitReader(from, maxReport))
	for in.Scan() {
		f := strings.Split(in.Text(), "\t")
		if len(f) != 3 || f[1] != "refused" && f[1] != "through" {
			return nil, errors.New("read report: a line is damaged")
		}
		got, err := strconv.Unquote(f[2])
		if _, twice := all[f[0]]; err != nil || twice {
			return nil, errors.New("read report: a line is damaged")
		}
		all[f[0]] = Report{ID: f[0], Refused: f[1] == "refused", Got: got}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	return all, nil
}

// Of is what all says of t. Silence proves nothing.
func (t Try) Of(all map[string]Report) Report {
	if r, ok := all[t.ID]; ok {
		return r
	}
	return Report{ID: t.ID, Got: "nothing was heard of it"}
}

// scopesSince is the ABI of Landlock from which signals end at a domain's
// border.
const scopesSince = 6

// Sandbox is what is known of a sandbox beside its walls.
type Sandbox struct {
	NetworkOff, FilesystemOff bool     // the operator wrote so at creation
	ABI                       int      // of Landlock
	Router                    bool     // there is one
	Allowed                   []string // system calls, by the sandbox's settings
}

// Left says why t is not tried in s; "" where it is.
func (t Try) Left(s Sandbox) string {
	switch {
	case t.Call != "" && slices.Contains(s.Allowed, t.Call):
		return "sandbox.yaml allows " + t.Call
	case t.Policy && s.NetworkOff, t.Scope && s.FilesystemOff:
		return "off (operator)"
	case t.Scope && s.ABI < scopesSince:
		return fmt.Sprintf("needs Landlock ABI %d, this kernel has %d", scopesSince, s.ABI)
	case t.Router && !s.Router:
		return "needs a sandbox with its router"
	}
	return ""
}

// canOpen opens path and closes it again.
func canOpen(path string, flags int) func() error {
	return func() error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
}

// lists reads a folder and finds something in it.
func lists(path string) func() error {
	return func() error {
		found, err := os.ReadDir(path)
		if err == nil && len(found) == 0 {
			return held("nothing in it")
		}
		return err
	}
}

// reads finds something in a file.
func reads(path string) func() error {
	return func() error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		n, err := unix.Read(fd, make([]byte, 64))
		if err == nil && n == 0 {
			return held("empty")
		}
		return err
	}
}
