package host

import (
	"fmt"
	"strconv"
)

// profilePath is where the profile goes.
const profilePath = "/etc/apparmor.d/nemoclaw"

// Profile is the AppArmor profile (apparmor.d(5), ABI 4.0) that gives the
// program at binary, and no other, the right to make user namespaces. It
// confines nothing: the walls do that.
func Profile(binary string) string {
	return fmt.Sprintf(`abi <abi/4.0>,
include <tunables/global>

profile nemoclaw %s flags=(unconfined) {
  userns,
  include if exists <local/nemoclaw>
}
`, quoted(binary))
}

// InstallProfile is the command that puts the profile in force.
func InstallProfile(binary string) string {
	return fmt.Sprintf("sudo tee %s >/dev/null <<'END' && sudo apparmor_parser -r %s\n%sEND", profilePath, profilePath, Profile(binary))
}

// quoted escapes what AppArmor would read as a pattern.
func quoted(p string) string {
	var out []byte
	for _, c := range []byte(p) {
		switch c {
		case '*', '?', '[', ']', '{', '}', '^', '\\', '"', '@':
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	if s := string(out); s != p || strconv.Quote(p) != `"`+p+`"` || containsSpace(p) {
		return `"` + s + `"`
	}
	return p
}

func containsSpace(p string) bool {
	for _, c := range p {
		if c == ' ' || c == '\t' {
			return true
		}
	}
	return false
}
