package blueprint

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/mod/semver"
)

// Default is the name that a bare version means.
const Default = "openclaw"

// Ref names a blueprint: by name and version, by name alone (the newest), and
// by digest where one was decided before. A Ref with a Digest never resolves
// to anything else, whatever its version is called now.
type Ref struct {
	Name    string
	Version string // without the v; "" is the newest
	Digest  Digest // "" is whatever the name and version mean
}

var (
	nameForm  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`) })
	bareForm  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v?[0-9]`) })
	wantedRef = "want NAME@VERSION, VERSION or NAME"
)

// ParseRef reads NAME@VERSION, NAME (its newest version), or VERSION, which is
// one of same, or of Default where same is empty. A version may carry the
// article's v.
func ParseRef(s, same string) (Ref, error) {
	if same == "" {
		same = Default
	}
	name, version, both := strings.Cut(s, "@")
	switch {
	case s == "":
		return Ref{}, fmt.Errorf("blueprint: %s", wantedRef)
	case both && version == "":
		return Ref{}, fmt.Errorf("blueprint %q: no version behind the @: %s", clip(s), wantedRef)
	case !both && bareForm().MatchString(s):
		name, version = same, s
	}
	if !nameForm().MatchString(name) || bareForm().MatchString(name) {
		return Ref{}, fmt.Errorf("blueprint %q: not a name (a-z, 0-9 and -): %s", clip(s), wantedRef)
	}
	if version == "" {
		return Ref{Name: name}, nil
	}
	version, err := parseVersion(version)
	if err != nil {
		return Ref{}, fmt.Errorf("blueprint %q: %w", clip(s), err)
	}
	return Ref{Name: name, Version: version}, nil
}

// String is NAME@VERSION, or NAME where the version is open.
func (r Ref) String() string {
	if r.Version == "" {
		return r.Name
	}
	return r.Name + "@" + r.Version
}

// Compare orders two versions as semantic versions do: -1, 0 or +1.
func Compare(a, b string) int { return semver.Compare("v"+a, "v"+b) }

// parseVersion reads a whole semantic version (x.y.z, no build metadata), with
// or without a v, and gives it without.
func parseVersion(s string) (string, error) {
	bare := strings.TrimPrefix(s, "v")
	if !semver.IsValid("v"+bare) || semver.Canonical("v"+bare) != "v"+bare || semver.Build("v"+bare) != "" {
		return "", fmt.Errorf("version %q: want MAJOR.MINOR.PATCH, like 0.1.0", clip(s))
	}
	return bare, nil
}
