package limit

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// dropCapabilities empties the sets of all threads, but for Override. Who is root stays the owner
// of root's files and of the sandbox's user namespace, and may still kill what
// lives in it (user_namespaces(7)), but nothing more. See capset(2).
func (l Limits) dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, keep [2]unix.CapUserData // one for each 32 capabilities
	if err := unix.Capget(&head, &have[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if l.Override {
		keep[0].Permitted = have[0].Permitted & (1 << unix.CAP_DAC_OVERRIDE)
		keep[0].Effective = keep[0].Permitted
	}
	_, _, e := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&keep[0])), 0)
	if e != 0 {
		return fmt.Errorf("drop capabilities: %w", e)
	}
	return nil
}
