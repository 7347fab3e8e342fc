package state

import (
	"fmt"
	"slices"
	"strings"
)

// Name is a sandbox's name, made by ParseName alone.
type Name string

// MaxName is the longest name, in bytes.
const MaxName = 40

// reserved are the words that a command line or a folder has already taken.
var reserved = []string{
	// first words of a command line
	"onboard", "run", "list", "doctor", "version", "completion", "start", "uninstall",
	"blueprint", "secret", "dashboard", "help", "supervisor", "clerk", "notify", "init", "openshell", "nemoclaw", "term",
	// words that follow a name, and come first where the name is left out
	"connect", "exec", "status", "logs", "stop", "restart", "destroy", "reload-policy", "policy",
	"approvals", "set-model", "set-inference-url", "reload-inference", "inference", "upgrade",
	"rollback", "rebuild", "snapshot", "verify", "audit", "cp", "forward", "ssh", "ssh-config", "gateway-url",
	// folders of the home
	"blueprints", "secrets", "anchors", "publishers",
}

// ParseName accepts 1 to MaxName lower-case letters, digits and hyphens, first
// a letter, last no hyphen, that are no command word. The error is a *BadName.
func ParseName(s string) (Name, error) {
	if why := badName(s); why != "" {
		return "", &BadName{Name: s, Why: why}
	}
	return Name(s), nil
}

func badName(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > MaxName:
		return fmt.Sprintf("it has %d characters: at most %d", len(s), MaxName)
	case strings.IndexFunc(s, notNameRune) >= 0:
		return "only lower-case letters, digits and hyphens are allowed"
	case s[0] < 'a' || s[0] > 'z':
		return "it must start with a letter"
	case strings.HasSuffix(s, "-"):
		return "it must not end with a hyphen"
	case slices.Contains(reserved, s):
		return "it is a command word"
	}
	return ""
}

func notNameRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}

// BadName is a name that no sandbox can have.
type BadName struct{ Name, Why string }

func (e *BadName) Error() string { return fmt.Sprintf("sandbox name %q: %s", e.Name, e.Why) }

// Hint is a name like it that would do.
func (e *BadName) Hint() string { return "try " + e.Suggestion() }

// Suggestion is a valid name as near to the refused one as can be.
func (e *BadName) Suggestion() string {
	s := strings.Map(func(r rune) rune {
		if notNameRune(r) {
			return '-'
		}
		return r
	}, strings.ToLower(e.Name))
	s = strings.TrimLeft(s, "-0123456789")
	s = strings.Trim(s[:min(len(s), MaxName)], "-")
	if slices.Contains(reserved, s) {
		s = "my-" + s
	}
	if badName(s) != "" {
		return "my-assistant"
	}
	return s
}
