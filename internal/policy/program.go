package policy

import "strings"

// ProgramAt is the program whose executable lies at this path inside. One that
// the agent can change must not hold a right of its own; a deleted one can be
// anything.
func ProgramAt(exe string, parents []string) Program {
	return Program{Exe: exe, Parents: parents, Known: true, Writable: writableInside(exe)}
}

func writableInside(exe string) bool {
	if strings.HasSuffix(exe, " (deleted)") {
		return true
	}
	for _, dir := range []string{"/sandbox/", "/tmp/", "/dev/"} {
		if strings.HasPrefix(exe, dir) {
			return true
		}
	}
	return !strings.HasPrefix(exe, "/")
}
