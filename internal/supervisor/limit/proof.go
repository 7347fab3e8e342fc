package limit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Try is one thing that must be refused once the limits stand. Do must change
// nothing where it is not.
type Try struct {
	What string // "open /home/me"
	Do   func() error
	Free error // what Do gives where nothing is limited
}

// Proof is a try that was refused, and was not before.
type Proof struct{ Tried, Got string }

// Prove takes everything else away between two attempts at every try. A try
// that does not do before what it does where nothing is limited, such as to open
// a folder that is not there, proves nothing and is left out. One that is not
// refused afterwards is an error.
func (l Limits) Prove(tries []Try) ([]Proof, error) {
	var telling []Try
	for _, t := range tries {
		if errors.Is(t.Do(), t.Free) {
			telling = append(telling, t)
		}
	}
	if err := l.Take(); err != nil {
		return nil, err
	}
	var proofs []Proof
	for _, t := range telling {
		err := t.Do()
		if err == nil {
			return nil, fmt.Errorf("%s: it was not refused", t.What)
		}
		if !refused(err) {
			return nil, fmt.Errorf("%s: it failed, but was not refused: %w", t.What, err)
		}
		proofs = append(proofs, Proof{t.What, err.Error()})
	}
	if len(proofs) == 0 {
		return nil, errors.New("nothing could be tried")
	}
	return proofs, nil
}

func refused(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

// Open tries to read a folder.
func Open(dir string) Try {
	return Try{What: "open " + dir, Do: func() error {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}}
}

// Exec tries to become a program. There is none of that name, so nothing
// happens where it is allowed.
func Exec() Try {
	return Try{What: "start a program", Do: func() error { return unix.Exec("", []string{""}, nil) }, Free: unix.ENOENT}
}

// Socket tries to make a UNIX socket.
func Socket() Try {
	return Try{What: "make a UNIX socket", Do: func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}}
}

// Trace tries to look into another process, with a request that there is not.
func Trace() Try {
	return Try{What: "trace a process", Free: unix.ESRCH, Do: func() error {
		_, _, e := unix.Syscall6(unix.SYS_PTRACE, 0x7fffffff, uintptr(os.Getpid()), 0, 0, 0, 0)
		if e == 0 {
			return nil
		}
		return e
	}}
}
