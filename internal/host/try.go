package host

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// tryNamespaces asks for a user, a mount and a network namespace and for one
// right inside: chroot. On Ubuntu the namespace is given and the right is not.
//
// The child never becomes a program: it is told to execute a folder, and that
// refusal, the last step of all, is the success.
func tryNamespaces() (works bool, why string) {
	attr := &os.ProcAttr{Sys: &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
		Chroot:      "/",
	}}
	p, err := os.StartProcess("/", []string{"/"}, attr)
	if err == nil { // impossible: the kernel executes no folder
		return false, errors.Join(errors.New("a folder was executed"), p.Kill(), p.Release()).Error()
	}
	if errors.Is(err, unix.EACCES) {
		return true, ""
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return false, errno.Error()
	}
	return false, err.Error()
}

// trialPrefix begins the name of the folder that Landlock is tried in.
const trialPrefix = "nemoclaw-landlock."

// lookLandlock asks the kernel for its version and tries what it promises.
func lookLandlock(l Landlock) Landlock {
	abi, err := ll.LandlockGetABIVersion()
	l.Off = errors.Is(err, unix.EOPNOTSUPP)
	if err != nil {
		return l
	}
	l.ABI = abi
	if errata, err := ll.LandlockGetErrata(); err == nil {
		l.Errata = errata
	}
	SweepFolders(trialPrefix, func() bool { return true }, os.RemoveAll)
	folder, err := MakeFolder(trialPrefix)
	if err != nil {
		return l
	}
	defer func() { _ = folder.Remove(os.RemoveAll) }() // else the next look does
	tried := make(chan Landlock, 1)
	go func() {
		// A thread behind Landlock stays behind it: it is never unlocked, so
		// that it ends with this goroutine.
		runtime.LockOSThread()
		tried <- tryLandlock(l, folder.Dir)
	}()
	return <-tried
}

// tryLandlock allows this thread two folders of dir and sees what holds.
func tryLandlock(l Landlock, dir string) Landlock {
	at := func(p string) string { return filepath.Join(dir, p) }
	for _, p := range []string{"a", "b", "outside"} {
		if os.Mkdir(at(p), 0o700) != nil || os.WriteFile(at(p+"/f"), []byte("x"), 0o600) != nil {
			return l
		}
	}
	if err := confine(l.ABI, at("a"), at("b")); err != nil {
		return l
	}
	l.Tried = true
	l.Refuses = errors.Is(open(at("outside/f")), unix.EACCES)
	l.Renames = unix.Rename(at("a/f"), at("b/g")) == nil
	l.Truncate = errors.Is(unix.Truncate(at("outside/f"), 0), unix.EACCES)
	return l
}

func open(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// confine puts the calling thread behind a rule set that allows everything
// beneath the folders and nothing elsewhere.
func confine(abi int, folders ...string) error {
	all := uint64(ll.AccessFSMakeSym<<1 - 1)
	if abi >= 2 {
		all |= ll.AccessFSRefer
	}
	if abi >= 3 {
		all |= ll.AccessFSTruncate
	}
	set, err := ll.LandlockCreateRuleset(&ll.RulesetAttr{HandledAccessFS: all}, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(set) }()
	for _, d := range folders {
		fd, err := unix.Open(d, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		err = ll.LandlockAddPathBeneathRule(set, &ll.PathBeneathAttr{AllowedAccess: all, ParentFd: fd}, 0)
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return ll.LandlockRestrictSelf(set, 0)
}
