package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// writer puts groups of events on the disk. It is for one goroutine.
type writer struct {
	dir     *os.Root
	anchor  *os.File
	segment *os.File
	number  int
	size    int64 // of segment, durable
	head    head
	limit   int64 // bytes of a segment
	buf     bytes.Buffer
	starts  []int64 // offset of each line of the group
}

func openWriter(dir, anchorPath string) (w writer, damage error, err error) {
	w.limit = segmentSize
	if w.anchor, err = holdAnchor(anchorPath); err != nil {
		return w, nil, err
	}
	a, anchorErr := loadAnchor(w.anchor)
	f, err := look(dir, a, anchorErr)
	if err == nil {
		err = w.open(dir, f)
	}
	if err != nil {
		w.close()
		return w, nil, err
	}
	return w, f.damage, nil
}

func (w *writer) open(dir string, f found) (err error) {
	if w.dir, err = os.OpenRoot(dir); err != nil {
		return fmt.Errorf("open book: %w", err)
	}
	w.head, w.number, w.size = f.head, max(f.segment, 1), f.size
	if w.head == start && f.damage == nil {
		// From now on a missing anchor is no new book, but damage.
		if err := w.moor(anchor{Hash: start.Hash}); err != nil {
			return err
		}
	}
	w.segment, err = openSegment(w.dir, w.number, w.size)
	return err
}

func (w *writer) moor(a anchor) error {
	if err := a.store(w.anchor); err != nil {
		return err
	}
	if err := w.anchor.Sync(); err != nil {
		return fmt.Errorf("write anchor: %w", err)
	}
	return nil
}

// errLasting marks what no later attempt can heal: after a failed fdatasync
// nobody knows which pages reached the disk.
var errLasting = errors.New("it takes nothing more until the sandbox is started again")

// Lasting says whether err, which Err gave, is of a book that takes nothing any
// more until it is opened anew; else it goes on when the disk does.
func Lasting(err error) bool { return errors.Is(err, errLasting) }

// commit makes the group durable, anchors it, and fills in the events' places.
// On an error nothing of the group is in the book.
func (w *writer) commit(group []entry) error {
	if w.size >= w.limit {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	after := w.encode(group)
	if _, err := w.segment.Write(w.buf.Bytes()); err != nil {
		return w.undo(err)
	}
	if err := unix.Fdatasync(int(w.segment.Fd())); err != nil {
		return fmt.Errorf("sync audit book: %w; %w", err, errLasting)
	}
	last := w.starts[len(w.starts)-1]
	if err := (anchor{Seq: after.Seq, Hash: after.Hash, Segment: w.number, Offset: last}).store(w.anchor); err != nil {
		return w.undo(err)
	}
	w.size += int64(w.buf.Len())
	w.head = after
	return nil
}

// encode fills buf with the group's lines. An event that has no JSON form
// (a number that is none) leaves a Damage event in its place.
func (w *writer) encode(group []entry) head {
	w.buf.Reset()
	w.starts = w.starts[:0]
	h := w.head
	for i := range group {
		w.starts = append(w.starts, w.size+int64(w.buf.Len()))
		next, err := h.write(&w.buf, &group[i].event)
		if err != nil {
			group[i].event = Event{Time: group[i].event.Time, Kind: Damage, Why: "lost: " + err.Error(), Count: 1}
			next, _ = h.write(&w.buf, &group[i].event) // strings and integers always encode
		}
		h = next
	}
	return h
}

// undo takes a half-written group back, so that the next one stands clean.
func (w *writer) undo(cause error) error {
	err := fmt.Errorf("write audit book: %w", cause)
	if cut := w.segment.Truncate(w.size); cut != nil {
		return fmt.Errorf("%w; take back what was half written: %w; %w", err, cut, errLasting)
	}
	return err
}

// rotate begins the next segment. The anchor is made durable first: lines of a
// finished segment are never beyond it.
func (w *writer) rotate() error {
	if err := w.anchor.Sync(); err != nil {
		return fmt.Errorf("write anchor: %w; %w", err, errLasting)
	}
	next, err := openSegment(w.dir, w.number+1, 0)
	if err != nil {
		return err
	}
	old := w.segment
	w.segment, w.size = next, 0
	w.number++
	if err := old.Close(); err != nil {
		return fmt.Errorf("close segment: %w; %w", err, errLasting)
	}
	return nil
}

func (w *writer) close() {
	for _, f := range []*os.File{w.segment, w.anchor} {
		if f != nil {
			_ = f.Close() // everything that counts was synced
		}
	}
	if w.dir != nil {
		_ = w.dir.Close()
	}
}
