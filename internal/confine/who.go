package confine

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/recent"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/confine/wire"
)

// look answers who holds a socket, or which program a process is: at once where
// a quick look is enough, else beside. last is who answers for it from then on,
// or nil.
func (in *inside) look(to *wire.Conn, m spec.Message, last *recent.Thread) {
	p, want, err := in.who(m, true)
	if errors.Is(err, errBudget) {
		in.lookBeside(to, m)
		return
	}
	answer(to, m.ID, p, err)
	if last == nil || err != nil {
		return
	}
	if k, ok := known(p, in.nursery.spawner()); ok { // after the answer, which is waited for
		last.Keep(k, want)
	}
}

// answer says who it is. What cannot be told for sure is an answer without a
// program. An error of Send means that the supervisor is gone.
func answer(to *wire.Conn, id uint64, p spec.Program, err error) {
	m := spec.Message{Op: spec.OpHolders, ID: id}
	if err != nil {
		m.Error = err.Error()
	} else {
		m.Programs = []spec.Program{p}
	}
	_ = to.Send(m)
}

// who is the program that m asks for; want is the name of its socket in /proc.
func (in *inside) who(m spec.Message, quick bool) (p spec.Program, want string, err error) {
	pid := m.PID
	if m.Op == spec.OpWho {
		inode, err := in.diag.inode(m.Local, m.Remote)
		if err != nil {
			return p, "", err
		}
		want = "socket:[" + strconv.FormatUint(inode, 10) + "]"
		if pid, err = in.holder(want, quick); err != nil {
			return p, "", err
		}
	}
	ok := false
	if pid > 1 {
		p, ok = program(pid)
	}
	if !ok || want != "" && !stillHolds(pid, want) {
		err = errUnknown
	}
	return p, want, err
}

// stillHolds is asked once it is known what the process is. To find it takes a
// while, and meanwhile it may have given the socket away and executed something
// else, or its number may be another's.
func stillHolds(pid int, want string) bool {
	budget := math.MaxInt
	has, err := holds(pid, want, &budget)
	return has && err == nil
}

// errUnknown means that the holder cannot be told.
var errUnknown = errors.New("several holders, or one that cannot be read")

// errMoment is an errUnknown that may be none in a moment. What has been forked
// and not yet executed anything holds what its parent does; and where that is
// the spawner, it cannot be looked into.
var errMoment = fmt.Errorf("%w, at this moment", errUnknown)

// How long is waited before it is looked again: first and at most, each time twice
// as long. A busy machine keeps a fork waiting.
const (
	moment     = 2 * time.Millisecond
	lastMoment = 64 * time.Millisecond
)

// whoInTime is who, for one that may be told only in a moment.
func (in *inside) whoInTime(m spec.Message) (p spec.Program, err error) {
	for wait := moment; ; wait *= 2 {
		in.turns <- struct{}{}
		p, _, err = in.who(m, false)
		<-in.turns
		if !errors.Is(err, errMoment) || wait > lastMoment {
			return p, err
		}
		<-time.After(wait)
	}
}

// holder is the one process that has the socket of this name in /proc open. A
// process that cannot be read might be a second holder, so there is no answer
// then. A quick look fails with errBudget where it would take longer.
func (in *inside) holder(want string, quick bool) (int, error) {
	pid, err := in.search(want, quick)
	if quick && errors.Is(err, errMoment) {
		err = errBudget
	}
	return pid, err
}

// search looks once.
func (in *inside) search(want string, quick bool) (int, error) {
	budget := math.MaxInt
	if quick {
		budget = quickly
	}
	spawner, found := in.nursery.spawner(), 0
	var failed error
	err := eachNumber("/proc", func(pid int) bool {
		if pid == 1 || pid == spawner {
			return true
		}
		has, err := holds(pid, want, &budget)
		switch {
		case errors.Is(err, errBudget):
			failed = err
		case err != nil && quick: // whether it has ended may take a while to see
			failed = errBudget
		case err != nil && ended(pid):
		case err != nil:
			failed = fmt.Errorf("%w: process %d: %w", errMoment, pid, err)
		case has && found != 0:
			failed = errMoment
		case has:
			found = pid
		}
		return failed == nil
	})
	switch {
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, err
	case in.nursery.spawner() != spawner: // who was not looked at may have been another
		return 0, errMoment
	case found == 0:
		return 0, errUnknown
	}
	return found, nil
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
	path := procPath(pid, "exe")
	exe, err := link(path)
	if err != nil {
		return spec.Program{}, false
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return spec.Program{}, false
	}
	p := spec.Program{PID: pid, Exe: exe, Dev: st.Dev, Ino: st.Ino, Name: before.name, Parents: parents(before.parent)}
	after, ok := stat(pid)
	again, err := link(path)
	if !ok || err != nil || after.started != before.started || again != exe {
		return spec.Program{}, false
	}
	return p, true
}

// parents are the executables of pid and its ancestors, up to the spawner.
func parents(pid int) []string {
	var out []string
	for pid > 1 && len(out) < recent.MaxParents {
		exe, err := link(procPath(pid, "exe"))
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
