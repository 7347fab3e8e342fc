package confine

import (
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// Landlock is proved on a folder that nothing else guards: a file system of
// its own, writable, of our user. Only Landlock has no rule for it. PID 1,
// which is outside the agents' domain, does there what they may not: that is
// the positive control.
const (
	canaryDir  = "/.proof"
	canaryFile = canaryDir + "/canary"
)

func (r *root) canary() error {
	m := spec.Mount{Target: canaryDir, NoExec: true}
	if err := r.fresh(m, "tmpfs", "mode=0700", "size=4k", "nr_inodes=4"); err != nil {
		return err
	}
	f, err := r.folder(canaryDir)
	if err != nil {
		return err
	}
	return act("make", canaryFile, makeAt(f.fd, "canary", false))
}

// canaryLives is the control: the file can be opened for writing from outside
// the domain.
func canaryLives() error {
	fd, err := unix.Open(canaryFile, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return act("open from outside the Landlock domain", canaryFile, err)
	}
	return unix.Close(fd)
}
