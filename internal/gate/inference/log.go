package inference

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// Log is a bounded log file. It is shortened in place, never replaced: the file
// is bound into the sandbox as it is. It is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	file  *os.File // protected by mu
	size  int64    // protected by mu
	limit int64
}

// NewLog makes a log of file, open for reading and writing, which is never
// longer than limit bytes. What it has already stays.
func NewLog(file *os.File, limit int64) (*Log, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open inference log: %w", err)
	}
	return &Log{file: file, size: info.Size(), limit: limit}, nil
}

// Write appends whole lines. When they do not fit, the older half of the log
// goes; lines longer than half of the limit are not kept.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int64(len(p)) > l.limit/2 {
		return 0, fmt.Errorf("write inference log: a line of %d bytes: longer than the log takes", len(p))
	}
	if l.size+int64(len(p)) > l.limit {
		if err := l.halve(); err != nil {
			return 0, fmt.Errorf("shorten inference log: %w", err)
		}
	}
	n, err := l.file.WriteAt(p, l.size)
	l.size += int64(n)
	return n, err
}

// halve keeps the whole lines of the newest half.
func (l *Log) halve() error {
	keep := make([]byte, min(l.limit/2, l.size))
	n, err := l.file.ReadAt(keep, l.size-int64(len(keep)))
	if err != nil && err != io.EOF {
		return err
	}
	keep = afterLine(keep[:n])
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	l.size = 0
	n, err = l.file.WriteAt(keep, 0)
	l.size = int64(n)
	return err
}

// afterLine drops the first line, which may have lost its beginning.
func afterLine(b []byte) []byte {
	for i, c := range b {
		if c == '\n' {
			return b[i+1:]
		}
	}
	return nil
}
