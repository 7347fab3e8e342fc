package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	segmentSize = 16 << 20  // bytes after which a new segment begins
	maxLine     = 128 << 20 // bytes; a longer line is none of ours
)

var segmentName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{6,}\.jsonl$`) })

func nameOf(segment int) string { return fmt.Sprintf("%06d.jsonl", segment) }

// segments lists the numbers of dir's segments in order.
func segments(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list book: %w", err)
	}
	var all []int
	for _, e := range entries {
		if !segmentName().MatchString(e.Name()) {
			continue
		}
		n, err := strconv.Atoi(e.Name()[:len(e.Name())-len(".jsonl")])
		if err == nil && nameOf(n) == e.Name() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// place is one line of the book.
type place struct {
	Segment int
	Line    int   // from 1
	Offset  int64 // of its first byte
	Whole   bool  // it ends with a newline
}

// lines calls f with each line of one segment from offset on, without its
// newline, until f fails. The last one may be torn. bytes is valid within f alone.
func lines(dir string, segment int, offset int64, f func(p place, bytes []byte) error) error {
	// Nothing but a file of its own: a link leads elsewhere, a FIFO holds whoever opens it.
	file, err := os.OpenFile(filepath.Join(dir, nameOf(segment)), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("read book: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return fmt.Errorf("read book: %w", err)
	}
	in := bufio.NewReaderSize(file, 64<<10)
	var buf []byte
	for p := (place{Segment: segment, Line: 1, Offset: offset}); ; p.Line++ {
		buf, p.Whole, err = readLine(in, buf[:0])
		if err != nil {
			return fmt.Errorf("read book: %s: %w", nameOf(segment), err)
		}
		if len(buf) == 0 && !p.Whole {
			return nil
		}
		if err := f(p, buf); err != nil {
			return err
		}
		p.Offset += int64(len(buf) + 1)
	}
}

// readLine appends the next line to buf, without its newline; whole is false
// at the end of the file.
func readLine(in *bufio.Reader, buf []byte) (line []byte, whole bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		buf = append(buf, part...)
		switch {
		case err == nil:
			return buf[:len(buf)-1], true, nil
		case errors.Is(err, io.EOF):
			return buf, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		case len(buf) > maxLine:
			return nil, false, fmt.Errorf("line longer than %d bytes", maxLine)
		}
	}
}
