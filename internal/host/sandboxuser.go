package host

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"strings"
)

// The user ids from which a sandbox started by root gets one of its own:
// above what distributions give to people and services, and below the sign
// bit, which some programs mistake for -1.
const (
	firstSandboxUser = 1_900_000_000
	lastSandboxUser  = 2_000_000_000
)

// FreeUser picks a uid, which is also its gid, that nobody on this machine has
// and that no range of /etc/subuid or /etc/subgid holds: a container's root
// must not be able to become it.
func FreeUser(root fs.FS) (uint32, error) {
	var taken []span
	for _, f := range []string{"etc/subuid", "etc/subgid"} {
		b, err := fs.ReadFile(root, f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		taken = append(taken, subordinate(b)...)
	}
	for _, f := range []string{"etc/passwd", "etc/group"} {
		b, err := fs.ReadFile(root, f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		taken = append(taken, thirdField(b)...)
	}
	for range 1000 {
		id := uint64(firstSandboxUser + rand.IntN(lastSandboxUser-firstSandboxUser))
		if !within(taken, id) {
			return uint32(id), nil
		}
	}
	return 0, errors.New("choose the sandbox's user: /etc/subuid gives all ids away")
}

type span struct{ first, count uint64 }

func within(spans []span, id uint64) bool {
	for _, s := range spans {
		if id >= s.first && id-s.first < s.count {
			return true
		}
	}
	return false
}

// subordinate reads name:first:count lines (subuid(5)).
func subordinate(b []byte) []span {
	var out []span
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		f := strings.Split(s.Text(), ":")
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 == nil && err2 == nil {
			out = append(out, span{first, count})
		}
	}
	return out
}

// thirdField reads the numbers of passwd(5) and group(5).
func thirdField(b []byte) []span {
	var out []span
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if f := strings.Split(s.Text(), ":"); len(f) > 2 {
			if id, err := strconv.ParseUint(f[2], 10, 32); err == nil {
				out = append(out, span{id, 1})
			}
		}
	}
	return out
}
