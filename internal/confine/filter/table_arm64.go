package filter

import "golang.org/x/sys/unix"

// arch is what seccomp_data says of a native call.
const arch = unix.AUDIT_ARCH_AARCH64

// legacy is empty: arm64 never had the older forms.
func legacy(*list) {}
