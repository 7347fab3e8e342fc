package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const trialName = "trial"

// Trial is the place beside a sandbox where a new generation is started once
// before it is put in force. It has all that a sandbox has: its own workspace,
// policies, lock, socket and book; and the same name, since inside it must look
// the same.
func (s Sandbox) Trial() Sandbox {
	s.trial = true
	return s
}

// IsTrial says whether s is such a place.
func (s Sandbox) IsTrial() bool { return s.trial }

// Place is how a place is called on a command line of our own: NAME or
// NAME/trial.
func (s Sandbox) Place() string {
	if s.trial {
		return string(s.name) + "/" + trialName
	}
	return string(s.name)
}

// Place reads what Sandbox.Place wrote.
func (h Home) Place(word string) (Sandbox, error) {
	name, rest, more := strings.Cut(word, "/")
	n, err := ParseName(name)
	if err != nil {
		return Sandbox{}, err
	}
	if more && rest != trialName {
		return Sandbox{}, fmt.Errorf("place %q: want NAME or NAME/%s", word, trialName)
	}
	return Sandbox{home: h, name: n, trial: more}, nil
}

// Changing keeps all others from changing the sandbox's generations or
// snapshots until unlock is called or the process ends. Unlike Lock it leaves
// a running supervisor alone. It waits; waiting is called once where it must.
func (s Sandbox) Changing(ctx context.Context, waiting func()) (unlock func(), err error) {
	dir, err := os.Open(s.in("generations"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFound{s.name}
	}
	if err != nil {
		return nil, fmt.Errorf("change sandbox %q: %w", string(s.name), err)
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		waiting()
		err = flockUntil(ctx, dir)
	}
	if err == nil && !same(dir, s.in("generations")) { // destroyed while we waited
		return nil, errors.Join(&NotFound{s.name}, dir.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("change sandbox %q: lock: %w", string(s.name), err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil
}

// flockUntil waits for the lock, or until ctx ends; then dir must be left to
// the waiting call, which cannot be called off, and to the end of the process.
func flockUntil(ctx context.Context, dir *os.File) error {
	got := make(chan error, 1)
	held, err := unix.Dup(int(dir.Fd()))
	if err != nil {
		return err
	}
	go func() {
		for {
			err := unix.Flock(held, unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				got <- errors.Join(err, unix.Close(held))
				return
			}
		}
	}()
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
