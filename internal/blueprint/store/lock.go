package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lock takes the flock(2) of file, shared or exclusive, and gives the function
// that releases it. If another holds it, waiting is called once (nil is none)
// and lock waits until ctx ends. The file stays: removing one that somebody
// waits for would give two processes two locks.
func lock(ctx context.Context, file string, how int, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock blueprint store: %w", err)
	}
	if err := flock(ctx, f, how, waiting); err != nil {
		return nil, fmt.Errorf("lock blueprint store: %w", err)
	}
	return func() { f.Close() }, nil
}

// begin makes what the store consists of, sweeps what killed processes left half
// made, and keeps Clear away until leave is called. Whoever writes here is inside.
func (s *Store) begin(ctx context.Context, waiting func()) (leave func(), err error) {
	if err := s.makeFolders(); err != nil {
		return nil, err
	}
	if err := s.sweepLeft(ctx); err != nil {
		return nil, err
	}
	leave, err = lock(ctx, s.path("locks", "all"), unix.LOCK_SH, waiting)
	if err != nil {
		return nil, err
	}
	if err := s.makeLayout(); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// sweepLeft removes what was being written when its writer was killed. With the
// lock to itself, nobody else writes; where somebody does, a later one sweeps.
func (s *Store) sweepLeft(ctx context.Context) error {
	var left []string
	for _, in := range []string{"", "blobs/sha256", "blobs/sha512", "signatures", "content"} {
		found, _ := filepath.Glob(s.path(in, newPrefix+"*")) // the pattern is well formed
		left = append(left, found...)
	}
	if len(left) == 0 {
		return nil
	}
	unlock, err := lock(ctx, s.path("locks", "all"), unix.LOCK_EX|unix.LOCK_NB, nil)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	for _, name := range left {
		if err := os.RemoveAll(name); err != nil {
			return fmt.Errorf("sweep blueprint store: %w", err)
		}
	}
	return nil
}

// flock locks an open file, or closes it.
func flock(ctx context.Context, f *os.File, how int, waiting func()) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.EWOULDBLOCK) || how&unix.LOCK_NB != 0 {
		f.Close()
		return fmt.Errorf("flock %s: %w", f.Name(), err)
	}
	if waiting != nil {
		waiting()
	}
	got := make(chan error, 1)
	go func() { got <- flockUntil(f, how) }()
	select {
	case err := <-got:
		if err != nil {
			f.Close()
		}
		return err
	case <-ctx.Done():
		// flock cannot be called off: whenever it ends, the lock goes at once.
		go func() {
			if err := <-got; err == nil {
				_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
			}
			f.Close()
		}()
		return ctx.Err()
	}
}

func flockUntil(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
