package confine

import (
	"errors"
	"fmt"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// minABI is the oldest Landlock that will do: before it every rename between
// folders fails, and npm and git with it.
const minABI = 2

// rights are all accesses to files that a kernel of a given ABI can refuse,
// newest last. See landlock(7), "ABI versions".
var rights = []struct {
	since int
	bits  uint64
}{
	{1, landlock.AccessFSExecute | landlock.AccessFSWriteFile | landlock.AccessFSReadFile | landlock.AccessFSReadDir |
		landlock.AccessFSRemoveDir | landlock.AccessFSRemoveFile | landlock.AccessFSMakeChar | landlock.AccessFSMakeDir |
		landlock.AccessFSMakeReg | landlock.AccessFSMakeSock | landlock.AccessFSMakeFifo | landlock.AccessFSMakeBlock |
		landlock.AccessFSMakeSym},
	{2, landlock.AccessFSRefer},
	{3, landlock.AccessFSTruncate},
	{5, landlock.AccessFSIoctlDev},
	{9, landlock.AccessFSResolveUnix},
}

// scopesSince is the ABI from which signals and abstract sockets end at the
// domain's border.
const scopesSince = 6

// granted is what each access of the spec allows, as far as the kernel knows
// it. None allows to reach a Unix socket whose maker is not inside; between those
// who are it is not asked for.
var granted = map[spec.Access]uint64{
	spec.ReadFile:  landlock.AccessFSReadFile,
	spec.Read:      landlock.AccessFSReadFile | landlock.AccessFSReadDir,
	spec.ReadExec:  landlock.AccessFSReadFile | landlock.AccessFSReadDir | landlock.AccessFSExecute,
	spec.ReadWrite: ^uint64(landlock.AccessFSMakeChar | landlock.AccessFSMakeBlock | landlock.AccessFSIoctlDev | landlock.AccessFSResolveUnix),
	spec.Device: landlock.AccessFSReadFile | landlock.AccessFSReadDir | landlock.AccessFSWriteFile |
		landlock.AccessFSTruncate | landlock.AccessFSIoctlDev,
}

// onFiles are the rights that a rule for a single file may have.
const onFiles = landlock.AccessFSExecute | landlock.AccessFSWriteFile | landlock.AccessFSReadFile |
	landlock.AccessFSTruncate | landlock.AccessFSIoctlDev

func handled(abi int) uint64 {
	var all uint64
	for _, r := range rights {
		if abi >= r.since {
			all |= r.bits
		}
	}
	return all
}

// landlockRules prepares the agents' domain. Nothing is restricted until a thread
// enters it.
func landlockRules(rules []spec.PathRule) (fd, abi int, err error) {
	abi, err = landlock.LandlockGetABIVersion()
	if err != nil {
		return -1, 0, act("ask for", "Landlock", err)
	}
	if abi < minABI {
		return -1, abi, fmt.Errorf("Landlock ABI %d: want %d or newer", abi, minABI)
	}
	attr := landlock.RulesetAttr{HandledAccessFS: handled(abi)}
	if abi >= scopesSince {
		attr.Scoped = landlock.ScopeSignal | landlock.ScopeAbstractUnixSocket
	}
	fd, err = landlock.LandlockCreateRuleset(&attr, 0)
	if err != nil {
		return -1, abi, act("make", "Landlock domain", err)
	}
	for _, r := range rules {
		if err := allow(fd, r, attr.HandledAccessFS); err != nil {
			unix.Close(fd)
			return -1, abi, act("allow "+string(r.Access)+" of", r.Path, err)
		}
	}
	return fd, abi, nil
}

func allow(domain int, r spec.PathRule, handled uint64) error {
	bits, ok := granted[r.Access]
	if !ok {
		return errors.New("unknown access")
	}
	fd, err := unix.Open(r.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) && r.Optional {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		bits &= onFiles
	}
	return landlock.LandlockAddPathBeneathRule(domain, &landlock.PathBeneathAttr{AllowedAccess: bits & handled, ParentFd: fd}, 0)
}
