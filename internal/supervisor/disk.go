package supervisor

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// What may fill up is the disk of the workspace: no quota can be set on a folder
// without the machine's root and a file system that was made for it. So a
// reserve of that disk is kept for the machine instead. Below it everything
// inside is stopped, and goes on by itself once there is room again. What is
// started then, by exec, runs: somebody has to be able to clean up.

// defaultReserve is kept free where the settings name nothing, in bytes, but
// never more than half of what is free when the sandbox starts.
const defaultReserve = 512 << 20

// The disk is looked at slowly while there is much room, and fast near the
// reserve: a program writes at most some gigabytes a second.
const (
	slowly = time.Second
	fast   = 50 * time.Millisecond
	near   = 16 // times the reserve
)

// pauser stops and continues everything inside.
type pauser interface {
	Pause() error
	Resume() error
}

// disk keeps a reserve of one file system. Its fields are set before watch.
type disk struct {
	free    func() (uint64, error) // bytes that an ordinary user could still write
	box     pauser
	reserve uint64
	record  func(audit.Event)
	say     func(string, ...any)

	paused atomic.Bool
}

// openDisk holds the file system of dir, without the right to look into it.
func openDisk(dir string, reserve int64) (*disk, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("hold the disk of %s: %w", dir, err)
	}
	f := os.NewFile(uintptr(fd), dir)
	d := &disk{free: func() (uint64, error) { return freeOf(f) }, reserve: uint64(max(reserve, 0))}
	if reserve == 0 {
		free, err := d.free()
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("look at the disk of %s: %w", dir, err)
		}
		d.reserve = min(defaultReserve, free/2)
	}
	return d, nil
}

func freeOf(f *os.File) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// watch keeps the reserve until ctx ends.
func (d *disk) watch(ctx context.Context) error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		free, err := d.free()
		if err != nil {
			return fmt.Errorf("look at the disk: %w", err)
		}
		if err := d.judge(free); err != nil {
			return err
		}
		tick.Reset(pace(free, d.reserve))
	}
}

func pace(free, reserve uint64) time.Duration {
	if free/near < reserve {
		return fast
	}
	return slowly
}

// judge stops or continues the sandbox, where free asks for it. It goes on only
// with a quarter more than the reserve, so that it does not do both all the time.
func (d *disk) judge(free uint64) error {
	switch {
	case !d.paused.Load() && free < d.reserve:
		if err := d.box.Pause(); err != nil {
			return err
		}
		d.paused.Store(true)
		d.tell("paused", free)
	case d.paused.Load() && free >= d.reserve+d.reserve/4:
		if err := d.box.Resume(); err != nil {
			return err
		}
		d.paused.Store(false)
		d.tell("resumed", free)
	}
	return nil
}

func (d *disk) tell(verdict string, free uint64) {
	why := fmt.Sprintf("%s free on the disk of the workspace, %s are kept for the machine", humanize.IBytes(free), humanize.IBytes(d.reserve))
	d.say("%s: %s", verdict, why)
	d.record(audit.Event{Kind: audit.Agent, Verdict: verdict, Target: "disk", Why: why})
}

// held is the line of status about it.
func (d *disk) held() string {
	return fmt.Sprintf("disk: /sandbox has no quota of its own; below %s free everything inside is paused", humanize.IBytes(d.reserve))
}

// note is the standing condition, "" while there is room.
func (d *disk) note(name string) string {
	if !d.paused.Load() {
		return ""
	}
	free, _ := d.free() // 0 reads as what it is: no room
	return fmt.Sprintf("paused: the disk of the workspace is nearly full (%s free, %s are kept for the machine): "+
		"free some and it goes on by itself; nemoclaw %s exec still works", humanize.IBytes(free), humanize.IBytes(d.reserve), name)
}
