package limit

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
)

// Limits is what a process keeps.
type Limits struct {
	Paths   []Path
	Network bool // internet sockets, and reading addresses and routes
	Kill    int  // the one process beside itself that it may signal; 0 is none
	// Override leaves root CAP_DAC_OVERRIDE. The top of a control group
	// hierarchy of v1 has mode 0555: without it root could remove nothing there.
	Override bool
}

// Take takes everything else away, from all threads and for good.
func (l Limits) Take() error {
	prog, err := filter.CompileRows(l.table(unix.Getpid()))
	if err != nil {
		return fmt.Errorf("take system calls: %w", err)
	}
	if err := l.dropCapabilities(); err != nil {
		return err
	}
	if err := l.restrict(); err != nil {
		return fmt.Errorf("take files: %w", err)
	}
	if _, err := filter.Install(prog, false); err != nil {
		return fmt.Errorf("take system calls: %w", err)
	}
	return nil
}
