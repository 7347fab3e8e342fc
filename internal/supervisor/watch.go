package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watchFolder calls changed with the name of every file in dir that was
// written and closed, or renamed to: an editor's save, but never a file that
// is half written. It returns when ctx ends (nil), or when the kernel takes
// the watch away. See inotify(7).
func watchFolder(ctx context.Context, dir string, changed func(name string)) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	f := os.NewFile(uintptr(fd), "inotify") // non-blocking, so that Close ends a Read
	defer f.Close()
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO|unix.IN_ONLYDIR); err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	buf := make([]byte, 16<<10)
	for {
		n, err := f.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
		names, ok := eventNames(buf[:n])
		if !ok {
			return errors.New("watch: the kernel sent half an event")
		}
		for _, name := range names {
			changed(name)
		}
	}
}

// eventNames are the file names of a buffer of inotify events. An overflow
// has none and is reported as "", which matches nothing and everything: the
// caller looks at all of its files.
func eventNames(b []byte) ([]string, bool) {
	var names []string
	for len(b) > 0 {
		if len(b) < unix.SizeofInotifyEvent {
			return nil, false
		}
		e := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		end := unix.SizeofInotifyEvent + int(e.Len)
		if len(b) < end {
			return nil, false
		}
		names = append(names, unix.ByteSliceToString(b[unix.SizeofInotifyEvent:end]))
		b = b[end:]
	}
	return names, true
}
