package blueprint

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Platform is what packages are chosen for, in Go's words.
type Platform struct {
	OS   string // linux
	Arch string // amd64, arm64
	Libc string // glibc or musl; "" takes glibc
}

// Here is the platform of this program. Its C library is for the caller to
// find out; nothing is looked at here.
func Here() Platform { return Platform{OS: runtime.GOOS, Arch: runtime.GOARCH} }

// ParsePlatform reads linux/amd64.
func ParsePlatform(s string) (Platform, error) {
	os, arch, ok := strings.Cut(s, "/")
	if !ok || os != "linux" || npmCPU[arch] == "" {
		return Platform{}, fmt.Errorf("platform %q: want linux/amd64 or linux/arm64", clip(s))
	}
	return Platform{OS: os, Arch: arch}, nil
}

// String is linux/amd64.
func (p Platform) String() string { return p.OS + "/" + p.Arch }

// npmCPU gives Node's word (process.arch) for Go's.
var npmCPU = map[string]string{"amd64": "x64", "arm64": "arm64"}

// takes says whether a package that lists these systems is for p: an empty
// list takes all, "!x" all but x (npm's package.json, "os" and "cpu").
func (p Platform) takes(os, cpu, libc []string) bool {
	have := p.Libc
	if have == "" {
		have = "glibc"
	}
	return listTakes(os, p.OS) && listTakes(cpu, npmCPU[p.Arch]) && listTakes(libc, have)
}

func listTakes(list []string, word string) bool {
	if len(list) == 0 || slices.Contains(list, "any") {
		return true
	}
	if slices.Contains(list, "!"+word) {
		return false
	}
	negative := func(s string) bool { return strings.HasPrefix(s, "!") }
	return slices.Contains(list, word) || !slices.ContainsFunc(list, func(s string) bool { return !negative(s) })
}

// RunsOn says why i cannot run on p, or nil.
func (i Identity) RunsOn(p Platform) error {
	if slices.Contains(i.Platforms, p.String()) {
		return nil
	}
	return fmt.Errorf("blueprint %s: made for %s, this machine is %s", i.Ref(), strings.Join(i.Platforms, ", "), p)
}
