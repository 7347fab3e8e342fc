package store

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// entry is one thing in an unpacked tree.
type entry struct {
	Path   string // relative, with slashes
	Kind   kind
	Mode   uint32 // permission bits
	Size   int64
	Sum    [32]byte // sha256 of a file
	Target string   // of a link
}

type kind byte

const (
	isFile   kind = 'f'
	isFolder kind = 'd'
	isLink   kind = 'l'
)

// encodeTree writes the index of a tree, a line an entry, in order of paths:
//
//	f MODE SIZE SHA256 "PATH"
//	d MODE "PATH"
//	l "TARGET" "PATH"
func encodeTree(entries []entry) []byte {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.Path, b.Path) })
	var out bytes.Buffer
	for _, e := range entries {
		switch e.Kind {
		case isFile:
			fmt.Fprintf(&out, "f %04o %d %x %q\n", e.Mode, e.Size, e.Sum, e.Path)
		case isFolder:
			fmt.Fprintf(&out, "d %04o %q\n", e.Mode, e.Path)
		case isLink:
			fmt.Fprintf(&out, "l %q %q\n", e.Target, e.Path)
		}
	}
	return out.Bytes()
}

// parseTree reads what encodeTree wrote.
func parseTree(b []byte) ([]entry, error) {
	entries := make([]entry, 0, bytes.Count(b, []byte("\n")))
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		e, err := parseEntry(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
	return entries, lines.Err()
}

func parseEntry(line string) (entry, error) {
	word, rest, _ := strings.Cut(line, " ")
	var e entry
	var err error
	switch word {
	case string(isFile):
		fields := strings.SplitN(rest, " ", 4)
		if len(fields) != 4 {
			return entry{}, fmt.Errorf("a file with %d fields", len(fields))
		}
		e.Kind = isFile
		sum, bad := hex.DecodeString(fields[2])
		size, bad2 := strconv.ParseInt(fields[1], 10, 64)
		if bad != nil || bad2 != nil || len(sum) != len(e.Sum) {
			return entry{}, fmt.Errorf("a file without size and digest")
		}
		e.Size = size
		copy(e.Sum[:], sum)
		e.Mode, e.Path, err = modeAndPath(fields[0], fields[3])
	case string(isFolder):
		mode, path, _ := strings.Cut(rest, " ")
		e.Kind = isFolder
		e.Mode, e.Path, err = modeAndPath(mode, path)
	case string(isLink):
		e.Kind = isLink
		quoted, bad := strconv.QuotedPrefix(rest)
		if bad != nil {
			return entry{}, bad
		}
		if e.Target, err = strconv.Unquote(quoted); err != nil {
			return entry{}, err
		}
		e.Path, err = strconv.Unquote(strings.TrimPrefix(rest[len(quoted):], " "))
	default:
		return entry{}, fmt.Errorf("kind %q", word)
	}
	return e, err
}

func modeAndPath(mode, quoted string) (uint32, string, error) {
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil {
		return 0, "", err
	}
	path, err := strconv.Unquote(quoted)
	return uint32(bits), path, err
}

func (e entry) digest() blueprint.Digest {
	return blueprint.Digest("sha256:" + hex.EncodeToString(e.Sum[:]))
}
