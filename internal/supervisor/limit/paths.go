package limit

import (
	"fmt"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Access is what may be done beneath a folder.
type Access uint64

// The accesses; they can be added up.
const (
	Read    Access = ll.AccessFSReadFile | ll.AccessFSReadDir
	Write   Access = ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg // make and change files, remove none
	Replace Access = ll.AccessFSRemoveFile                                           // remove, and rename within one folder
	Clear   Access = ll.AccessFSRemoveDir                                            // remove empty folders
)

// Path is a folder beneath which something stays allowed.
type Path struct {
	Dir      string
	Access   Access
	Optional bool // a machine may not have it
}

// minABI is that of package confine: the oldest Landlock with which a sandbox
// starts.
const minABI = 2

// versions are the accesses to files that each ABI of Landlock can refuse, and
// so all that is refused here unless a Path allows it. Scopes are left out:
// with them a supervisor could not kill its sandbox. See landlock(7).
var versions = []landlock.AccessFSSet{
	2: landlock.V2.HandledAccessFS, 3: landlock.V3.HandledAccessFS, 4: landlock.V4.HandledAccessFS,
	5: landlock.V5.HandledAccessFS, 6: landlock.V6.HandledAccessFS, 7: landlock.V7.HandledAccessFS,
	8: landlock.V8.HandledAccessFS, 9: landlock.V9.HandledAccessFS, 10: landlock.V10.HandledAccessFS,
	11: landlock.V11.HandledAccessFS,
}

// restrict enters a Landlock domain with all threads.
func (l Limits) restrict() error {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		return fmt.Errorf("ask for Landlock: %w", err)
	}
	if abi < minABI {
		return fmt.Errorf("Landlock ABI %d: want %d or newer", abi, minABI)
	}
	handled := versions[min(abi, len(versions)-1)]
	rules := make([]landlock.Rule, 0, len(l.Paths))
	for _, p := range slices.Concat(l.Paths, reports()) {
		r := landlock.PathAccess(landlock.AccessFSSet(p.Access)&handled, p.Dir)
		if p.Optional {
			r = r.IgnoreIfMissing()
		}
		rules = append(rules, r)
	}
	c, err := landlock.NewConfig(handled)
	if err != nil {
		return err
	}
	return c.RestrictPaths(rules...)
}
