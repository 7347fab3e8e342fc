package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// base says what a pruned book begins after: the last event that an operator
// removed. It lies beside the anchor, outside the sandbox's folder, so that who
// can write there alone cannot shorten the book and call it pruned.
type base struct {
	Version int       `json:"v"`
	Seq     uint64    `json:"seq"`
	Hash    string    `json:"hash"`
	Segment int       `json:"segment"` // the last one that was removed
	Time    time.Time `json:"time"`    // of the removal
}

func (b base) head() head {
	if b.Seq == 0 {
		return start
	}
	return head{b.Seq, b.Hash}
}

func baseOf(anchorPath string) string { return anchorPath + ".base" }

// readBase is the zero base where nothing was ever removed.
func readBase(anchorPath string) (base, error) {
	text, err := os.ReadFile(baseOf(anchorPath))
	if errors.Is(err, fs.ErrNotExist) {
		return base{}, nil
	}
	if err != nil {
		return base{}, fmt.Errorf("read the book's base: %w", err)
	}
	var b base
	if err := json.Unmarshal(text, &b); err != nil {
		return base{}, errors.New("the record of what was removed is damaged")
	}
	if b.Version > version {
		return base{}, &Newer{"the record of what was removed", b.Version}
	}
	return b, nil
}

func (b base) store(anchorPath string) error {
	b.Version = version
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("write the book's base: %w", err)
	}
	name := baseOf(anchorPath)
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("write the book's base: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("write the book's base: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Keep is what Prune leaves; zero fields bound nothing.
type Keep struct {
	Bytes int64     // of closed segments, newest first
	Since time.Time // whatever a segment has of this moment or later
	// Needed is what no bound of bytes takes: events of this moment or later, by
	// which limits count what was used.
	Needed time.Time
}

// Pruned is what Prune removed.
type Pruned struct {
	Events   uint64
	Segments int
	Bytes    int64
}

// Prune removes whole closed segments from the old end of the book until what
// is left obeys keep. The newest segment, which may be in use, always stays. The
// book must be whole: what is damaged is evidence, and stays. What is left is as
// verifiable as it was; that and what was removed is on record beside the
// anchor. It works while the sandbox runs.
func Prune(dir, anchorPath string, keep Keep, now time.Time) (Pruned, error) {
	if _, err := Verify(dir, anchorPath); err != nil {
		return Pruned{}, fmt.Errorf("prune: %w", err)
	}
	before, err := readBase(anchorPath)
	if err != nil {
		return Pruned{}, err
	}
	all, err := segments(dir)
	if err != nil {
		return Pruned{}, err
	}
	a, err := readAnchor(anchorPath)
	if err != nil {
		return Pruned{}, fmt.Errorf("prune: %w", err)
	}
	// What the anchor names stays: the next start looks for it there.
	for len(all) > 1 && all[len(all)-2] >= a.Segment {
		all = all[:len(all)-1]
	}
	gone, sizes, err := surplus(dir, all, keep)
	if err != nil || len(gone) == 0 {
		return Pruned{}, err
	}
	after := base{Seq: before.Seq, Hash: before.Hash, Segment: gone[len(gone)-1], Time: now.UTC()}
	err = lines(dir, after.Segment, 0, func(_ place, line []byte) error {
		e, err := read(line)
		after.Seq, after.Hash = e.Seq, e.Hash
		return err
	})
	if err != nil {
		return Pruned{}, err
	}
	// The record first: a crash between the two leaves segments that Verify
	// knows to be removed, and the next Prune removes.
	if err := after.store(anchorPath); err != nil {
		return Pruned{}, err
	}
	out := Pruned{Events: after.Seq - before.Seq}
	for i, n := range gone {
		if err := os.Remove(filepath.Join(dir, nameOf(n))); err != nil {
			return out, fmt.Errorf("prune: %w", err)
		}
		out.Segments++
		out.Bytes += sizes[i]
	}
	return out, syncFolder(dir)
}

// surplus are the closed segments that keep does not want, oldest first.
func surplus(dir string, all []int, keep Keep) (gone []int, sizes []int64, err error) {
	var total int64
	for i := len(all) - 2; i >= 0; i-- {
		info, err := os.Stat(filepath.Join(dir, nameOf(all[i])))
		if err != nil {
			return nil, nil, fmt.Errorf("prune: %w", err)
		}
		total += info.Size()
		sizes = append([]int64{info.Size()}, sizes...)
		begun, err := beginning(dir, all[i+1])
		if err != nil {
			return nil, nil, err
		}
		if !keep.Needed.IsZero() && !begun.Before(keep.Needed) {
			continue
		}
		large := keep.Bytes > 0 && total > keep.Bytes
		old := !keep.Since.IsZero() && !begun.IsZero() && begun.Before(keep.Since)
		if large || old {
			// This one, and all before it.
			for j := i - 1; j >= 0; j-- {
				info, err := os.Stat(filepath.Join(dir, nameOf(all[j])))
				if err != nil {
					return nil, nil, fmt.Errorf("prune: %w", err)
				}
				sizes = append([]int64{info.Size()}, sizes...)
			}
			return all[:i+1], sizes[:i+1], nil
		}
	}
	return nil, nil, nil
}

// Size is the bytes of the book in dir.
func Size(dir string) int64 {
	all, err := segments(dir)
	if err != nil {
		return 0
	}
	var total int64
	for _, n := range all {
		if info, err := os.Stat(filepath.Join(dir, nameOf(n))); err == nil {
			total += info.Size()
		}
	}
	return total
}
