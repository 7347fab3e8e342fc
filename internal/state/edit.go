package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// EditDurable changes a file: read, change, WriteDurable. Two edits of files in
// one folder happen one after the other, whichever processes they are in, so
// that none is lost; a person's editor takes no part in that. It waits for the
// other edit. An unchanged text is not written.
//
// The lock is on the folder itself (flock(2)): the file is replaced by a
// rename, so a lock on it would be one on the old text.
func EditDurable(path string, mode os.FileMode, change func([]byte) ([]byte, error)) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("edit %q: %w", path, err)
	}
	defer dir.Close() // unlocks
	for {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("edit %q: lock its folder: %w", path, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	edited, err := change(data)
	if err != nil || bytes.Equal(edited, data) {
		return err
	}
	return WriteDurable(path, edited, mode)
}
