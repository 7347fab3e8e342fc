package confine

import (
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// streams are the two sides of a command's standard input, output and error.
type streams struct {
	theirs []int // stdin, stdout, stderr; or the terminal's slave, which is all three
	ours   []int // the same; or the terminal's master
}

// files are the command's descriptors 0 to 2.
func (s streams) files() []uintptr {
	out := make([]uintptr, 3)
	for i := range out {
		out[i] = uintptr(s.theirs[min(i, len(s.theirs)-1)])
	}
	return out
}

func openStreams(c spec.Command) (streams, error) {
	if c.TTY {
		return openTerminal(c.Rows, c.Cols)
	}
	return openPipes()
}

// openPipes makes pipes and not sockets, since programs open /dev/stdout again.
func openPipes() (streams, error) {
	var s streams
	for i := range 3 {
		var p [2]int // read, write
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			closeAll(append(s.ours, s.theirs...))
			return streams{}, err
		}
		read, write := p[0], p[1]
		if i == 0 {
			s.theirs, s.ours = append(s.theirs, read), append(s.ours, write)
			continue
		}
		s.theirs, s.ours = append(s.theirs, write), append(s.ours, read)
	}
	return s, nil
}

// openTerminal makes a terminal of the sandbox's own devpts. See pts(4), and
// ioctl_tty(2) for TIOCGPTPEER, which opens the slave without a path.
func openTerminal(rows, cols uint16) (streams, error) {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return streams{}, act("open", "/dev/ptmx", err)
	}
	slave, err := openSlave(master, rows, cols)
	if err != nil {
		unix.Close(master)
		return streams{}, err
	}
	return streams{theirs: []int{slave}, ours: []int{master}}, nil
}

func openSlave(master int, rows, cols uint16) (int, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, act("unlock", "terminal", err)
	}
	if rows > 0 && cols > 0 {
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
			return -1, act("size", "terminal", err)
		}
	}
	slave, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if e != 0 {
		return -1, act("open", "terminal", e)
	}
	return int(slave), nil
}
