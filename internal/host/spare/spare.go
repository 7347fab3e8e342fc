package spare

import (
	"errors"
	"io/fs"
)

// The user ids from which a sandbox started by root gets one of its own:
// above what distributions give to people and services, and below the sign
// bit, which some programs mistake for -1.
const (
	first = 1_900_000_000
	last  = 2_000_000_000
)

// tries bounds how often another id is drawn.
const tries = 1000

var errNone = errors.New("choose the sandbox's user: /etc/subuid gives all ids away")

// User picks a uid, which is also its gid, that nobody on this machine has and
// that no range of /etc/subuid or /etc/subgid holds: a container's root must
// not be able to become it. read gives the file at a path below the root
// folder; a missing one is fs.ErrNotExist. draw gives a random number.
func User(read func(name string) ([]byte, error), draw func() uint64) (uint32, error) {
	var taken []span
	for _, f := range []string{"etc/subuid", "etc/subgid", "etc/passwd", "etc/group"} {
		b, err := read(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		taken = append(taken, spans(b, f[:7] == "etc/sub")...)
	}
	for range tries {
		if id := first + draw()%(last-first); !within(taken, id) {
			return uint32(id), nil
		}
	}
	return 0, errNone
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

// spans reads lines of fields with a colon between them: of subuid(5), whose
// second and third are a range, or of passwd(5) and group(5), whose third is
// an id.
func spans(b []byte, ranges bool) []span {
	var out []span
	for len(b) > 0 {
		var line []byte
		line, b = cut(b, '\n')
		_, rest := cut(line, ':')
		second, rest := cut(rest, ':')
		third, more := cut(rest, ':')
		x, ok := number(third)
		s := span{x, 1}
		if ranges {
			from, known := number(second)
			s, ok = span{from, x}, ok && known && len(more) == 0
		}
		if ok {
			out = append(out, s)
		}
	}
	return out
}

// cut gives what stands before and behind the first sep.
func cut(b []byte, sep byte) (before, behind []byte) {
	for i, c := range b {
		if c == sep {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// number reads a decimal number of 32 bits.
func number(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		if n = n*10 + uint64(c-'0'); c < '0' || c > '9' || n > 1<<32-1 {
			return 0, false
		}
	}
	return n, len(b) > 0
}
