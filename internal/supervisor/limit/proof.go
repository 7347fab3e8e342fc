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
}

// Proof is a try that was refused, and was not before.
type Proof struct{ Tried, Got string }

// Prove takes the limits away between two attempts at every try. A try that is
// refused before proves nothing and is left out; one that is not refused
// afterwards is an error.
func (l Limits) Prove(tries []Try) ([]Proof, error) {
	var telling []Try
	for _, t := range tries {
		if !refused(t.Do()) {
			telling = append(telling, t)
		}
	}
	if err := l.Take(); err != nil {
		return nil, err
	}
	var proofs []Proof
	for _, t := range telling {
		err := t.Do()
		if !refused(err) {
			return nil, fmt.Errorf("%s: not refused: %v", t.What, err)
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
	return Try{"open " + dir, func() error {
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
	return Try{"start a program", func() error { return unix.Exec("", []string{""}, nil) }}
}

// Socket tries to make a UNIX socket.
func Socket() Try {
	return Try{"make a UNIX socket", func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}}
}

// Trace tries to look into another process, with a request that there is not.
func Trace() Try {
	return Try{"trace a process", func() error {
		_, _, e := unix.Syscall6(unix.SYS_PTRACE, 0x7fffffff, uintptr(os.Getpid()), 0, 0, 0, 0)
		if e == 0 {
			return nil
		}
		return e
	}}
}
