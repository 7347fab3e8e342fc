package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// anchor says what the book's last durable line is and where it starts.
type anchor struct {
	Version int    `json:"v"`
	Seq     uint64 `json:"seq"`
	Hash    string `json:"hash"`
	Segment int    `json:"segment"`
	Offset  int64  `json:"offset"`
}

func (a anchor) head() head { return head{a.Seq, a.Hash} }

// anchorSize is the size of the record: far below a disk's sector, so that a
// crash leaves the old one or the new one.
const anchorSize = 256

// store writes the record in place. It does not wait for the disk: the book is
// durable already, and after a crash may be longer than its anchor.
func (a anchor) store(f *os.File) error {
	if _, err := f.WriteAt(a.record(), 0); err != nil {
		return fmt.Errorf("write anchor: %w", err)
	}
	return nil
}

func (a anchor) record() []byte {
	a.Version = version
	text, _ := json.Marshal(a) // integers and a hash always marshal
	record := append(bytes.Repeat([]byte(" "), anchorSize-1), '\n')
	copy(record, text)
	return record
}

var errNoAnchor = errors.New("the anchor is missing")

// loadAnchor is the record in r; errNoAnchor where r is empty.
func loadAnchor(r io.Reader) (anchor, error) {
	text, err := io.ReadAll(io.LimitReader(r, anchorSize+1))
	if err != nil {
		return anchor{}, fmt.Errorf("read anchor: %w", err)
	}
	if len(text) == 0 {
		return anchor{}, errNoAnchor
	}
	var a anchor
	if err := json.Unmarshal(text, &a); err != nil {
		return anchor{}, errors.New("the anchor is damaged")
	}
	if a.Version > version {
		return anchor{}, &Newer{"its anchor", a.Version}
	}
	if !bytes.Equal(text, a.record()) {
		return anchor{}, errors.New("the anchor is damaged")
	}
	return a, nil
}

func readAnchor(path string) (anchor, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return anchor{}, errNoAnchor
	}
	if err != nil {
		return anchor{}, fmt.Errorf("read anchor: %w", err)
	}
	defer f.Close()
	return loadAnchor(f)
}

// holdAnchor opens the anchor to write and locks it: a book has one writer.
func holdAnchor(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open anchor: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock anchor %q: the book has a writer: %w", path, err), f.Close())
	}
	return f, nil
}
