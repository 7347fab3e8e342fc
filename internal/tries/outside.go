package tries

import (
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"
)

// Outside tries everything where no wall of ours stands: in throw-away
// namespaces, which its starter made for this process. What is refused here too
// is refused by this kernel to everybody, and proves nothing of a wall.
func Outside(out io.Writer) error {
	if err := unix.CloseRange(3, math.MaxInt32, 0); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Nothing of the machine's can be changed by what gets through here, and
	// what a try makes goes to a file system that ends with it.
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("make / read-only: %w", err)
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", unix.MS_NODEV, "size=1m"); err != nil {
		return fmt.Errorf("mount /tmp: %w", err)
	}
	return Run(out)
}
