package snapshot

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// bytes fills out with the first size bytes of in: by sharing the blocks where
// the file system can, else stretch by stretch, holes kept.
func (c *copier) bytes(in, out int, size int64) error {
	if size == 0 {
		return nil
	}
	if err := unix.IoctlFileClone(out, in); err == nil {
		return nil
	}
	c.done.Shared = false
	for at := int64(0); at < size; {
		start, err := unix.Seek(in, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // nothing but a hole
		}
		end := size
		if err == nil {
			if end, err = unix.Seek(in, start, unix.SEEK_HOLE); err != nil {
				return fmt.Errorf("find its holes: %w", err)
			}
		} else {
			start = at // no holes on this file system
		}
		end = min(end, size)
		if start >= size {
			break
		}
		if err := c.stretch(in, out, start, end); err != nil {
			return err
		}
		at = end
	}
	return unix.Ftruncate(out, size)
}

// stretch copies the bytes from at to end. A file that was cut short meanwhile
// is shorter; that is its own business.
func (c *copier) stretch(in, out int, at, end int64) error {
	from, to := at, at
	for from < end {
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		n, err := unix.CopyFileRange(in, &from, out, &to, int(min(end-from, 64<<20)), 0)
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
			return readWrite(in, out, from, end)
		}
		if err != nil {
			return fmt.Errorf("copy its bytes: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
	return nil
}

// readWrite is for file systems that cannot copy by themselves.
func readWrite(in, out int, at, end int64) error {
	buf := make([]byte, 256<<10)
	for at < end {
		n, err := unix.Pread(in, buf[:min(int64(len(buf)), end-at)], at)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		for done := 0; done < n; {
			w, err := unix.Pwrite(out, buf[done:n], at+int64(done))
			if err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("copy its bytes: %w", err)
			}
			done += max(w, 0)
		}
		at += int64(n)
	}
	return nil
}
