package recent

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// begin makes the thread, with every signal kept from it: handlers are the
// runtime's.
func (t *Thread) begin() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var every, before unix.Sigset_t
	for i := range every.Val {
		every.Val[i] = ^every.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &every, &before); err != nil {
		return err
	}
	const flags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM
	top := (address(&t.stack) + unsafe.Sizeof(t.stack)) &^ 15
	tid := start(flags, top, address(&t.tls)+unsafe.Sizeof(t.tls)/2, t)
	err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	if tid < 0 {
		err = unix.Errno(-tid)
	}
	return err
}

var _ = serve // is what the thread calls
