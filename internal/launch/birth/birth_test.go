package birth

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

func TestConstants(t *testing.T) {
	for _, c := range []struct{ ours, theirs uint64 }{
		{insideUID, spec.UID}, {insideGID, spec.GID}, {sysExecveat, unix.SYS_EXECVEAT}, {atEmptyPath, unix.AT_EMPTY_PATH},
		{capVersion3, unix.LINUX_CAPABILITY_VERSION_3}, {prCapAmbient, unix.PR_CAP_AMBIENT}, {prCapAmbientRaise, unix.PR_CAP_AMBIENT_RAISE},
		{capSetpcap, unix.CAP_SETPCAP}, {capNetBindService, unix.CAP_NET_BIND_SERVICE}, {capNetAdmin, unix.CAP_NET_ADMIN},
		{capSysAdmin, unix.CAP_SYS_ADMIN}, {capSysResource, unix.CAP_SYS_RESOURCE},
		{namespaces, unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS},
	} {
		if c.ours != c.theirs {
			t.Errorf("%#x: the kernel's is %#x", c.ours, c.theirs)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, n := range []uint64{0, 9, 10, 1000, 1_999_999_999, 1<<64 - 1} {
		if got := decimal(n); got != strconv.FormatUint(n, 10) {
			t.Errorf("%d: %q", n, got)
		}
	}
}
