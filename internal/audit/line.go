package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// version is the form of a line that this program writes.
const version = 1

// head is the last line of a book, or of as much of it as was read.
type head struct {
	Seq  uint64
	Hash string
}

// start is the head of an empty book.
var start = head{Hash: strings.Repeat("0", 2*sha256.Size)}

const (
	hashOpen  = `,"hash":"`
	hashClose = `"}`
	hashLen   = len(hashOpen) + 2*sha256.Size + len(hashClose)
)

// write appends e's line, newline included, to buf as the one after h, and
// fills in e's Seq, Prev and Hash.
func (h head) write(buf *bytes.Buffer, e *Event) (head, error) {
	e.Version, e.Seq, e.Prev, e.Hash = version, h.Seq+1, h.Hash, ""
	from := buf.Len()
	out := json.NewEncoder(buf)
	out.SetEscapeHTML(false)
	if err := out.Encode(e); err != nil {
		buf.Truncate(from)
		return h, fmt.Errorf("encode event: %w", err)
	}
	buf.Truncate(buf.Len() - len(hashOpen+hashClose+"\n"))
	e.Hash = hashOf(buf.Bytes()[from:])
	buf.WriteString(hashOpen)
	buf.WriteString(e.Hash)
	buf.WriteString(hashClose + "\n")
	return head{e.Seq, e.Hash}, nil
}

// hashOf is the hash of a line of which everything before the hash is body.
func hashOf(body []byte) string {
	sum := sha256.New()
	sum.Write(body)
	sum.Write([]byte("}"))
	return hex.EncodeToString(sum.Sum(nil))
}

// read is the event of line (without newline) if the line is whole in itself:
// its bytes are those that were hashed.
func read(line []byte) (Event, error) {
	if len(line) < hashLen {
		return Event{}, errors.New("no hash")
	}
	body, tail := line[:len(line)-hashLen], string(line[len(line)-hashLen:])
	if !strings.HasPrefix(tail, hashOpen) || !strings.HasSuffix(tail, hashClose) {
		return Event{}, errors.New("no hash")
	}
	if hashOf(body) != tail[len(hashOpen):len(hashOpen)+2*sha256.Size] {
		return Event{}, errors.New("the line was edited: its hash does not fit")
	}
	return decode(line)
}

// decode is the event of line, unchecked.
func decode(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, fmt.Errorf("no event: %w", err)
	}
	if e.Version > version {
		return Event{}, &Newer{fmt.Sprintf("event %d", e.Seq), e.Version}
	}
	if e.Version != version {
		return Event{}, fmt.Errorf("version %d: this program knows %d", e.Version, version)
	}
	return e, nil
}

// next says whether e follows h, or why not.
func (h head) next(e Event) error {
	switch {
	case e.Seq == h.Seq+1 && e.Prev == h.Hash:
		return nil
	case e.Seq > h.Seq+1:
		return fmt.Errorf("events %d to %d are missing", h.Seq+1, e.Seq-1)
	case e.Seq <= h.Seq:
		return fmt.Errorf("event %d is out of place: want %d", e.Seq, h.Seq+1)
	}
	return fmt.Errorf("event %d does not follow the line before: that one was replaced", e.Seq)
}
