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
// reserve of that disk is kept for the machine instead, and where the settings
// limit the workspace, what it holds is measured. Below the one or above the other
// everything inside is stopped, and goes on by itself once there is room again.
// What is started then, by exec, runs: somebody has to be able to clean up.

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

// disk keeps a reserve of one file system, and a workspace to its limit. Its
// fields are set before watch.
type disk struct {
	free    func() (uint64, error) // bytes that an ordinary user could still write
	box     pauser
	reserve uint64
	quota   *quota // nil where the workspace has no limit
	record  func(audit.Event)
	say     func(string, ...any)
	name    string // of the sandbox

	inside commands // what a pause stops
	paused atomic.Bool
	cause  atomic.Pointer[string] // of the pause
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
	defer d.quota.wait() // its question ends with ctx
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
		if err := d.quota.look(ctx, free); err != nil {
			return err
		}
		if err := d.judge(free); err != nil {
			return err
		}
		tick.Reset(d.pace(free))
	}
}

func (d *disk) pace(free uint64) time.Duration {
	if free/near < d.reserve || d.quota.isNear(free) {
		return fast
	}
	return slowly
}

// judge stops or continues the sandbox, where what is free, or used, asks for it.
func (d *disk) judge(free uint64) error {
	short, roomy := d.short(free)
	switch {
	case !d.paused.Load() && short != "":
		if err := d.box.Pause(); err != nil {
			return err
		}
		d.cause.Store(&short)
		d.paused.Store(true)
		d.inside.pause(d.note())
		d.tell("paused", short)
	case d.paused.Load() && roomy:
		if err := d.box.Resume(); err != nil {
			return err
		}
		d.inside.resume()
		d.paused.Store(false)
		d.tell("resumed", "there is room again")
	case short != "":
		d.cause.Store(&short)
	}
	return nil
}

// short says what there is too little of, or that there is room for sure: a
// quarter more than the reserve, a sixteenth less than the limit, so that it does
// not stop and continue all the time.
func (d *disk) short(free uint64) (why string, roomy bool) {
	if free < d.reserve {
		return fmt.Sprintf("%s free on the disk of the workspace, %s are kept for the machine", humanize.IBytes(free), humanize.IBytes(d.reserve)), false
	}
	why, roomy = d.quota.short(free)
	return why, roomy && free >= d.reserve+d.reserve/4
}

func (d *disk) tell(verdict, why string) {
	d.say("%s: %s", verdict, why)
	d.record(audit.Event{Kind: audit.Agent, Verdict: verdict, Target: "disk", Why: why})
}

// held is the line of status about it.
func (d *disk) held() string {
	reserve := fmt.Sprintf("below %s free on its disk everything inside is paused", humanize.IBytes(d.reserve))
	if d.quota == nil {
		return "disk: /sandbox has no limit of its own; " + reserve
	}
	return fmt.Sprintf("disk: /sandbox %s, measured: above it everything inside is paused, and no file grows larger (rlimit); it is no quota of the file system's; %s", humanize.IBytes(d.quota.limit), reserve)
}

// note is the standing condition, "" while there is room.
func (d *disk) note() string {
	if !d.paused.Load() {
		return ""
	}
	return fmt.Sprintf("paused: %s: remove something and it goes on by itself; nemoclaw %s exec still works", *d.cause.Load(), d.name)
}
