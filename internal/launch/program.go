package launch

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// built holds cmd/init, which the Makefile builds into it. The folder and not
// the file is named, so that a fresh clone compiles; without the file no
// sandbox starts.
//
//go:embed init
var built embed.FS

// embedded opens the program.
func embedded() (io.ReadCloser, error) {
	f, err := built.Open("init/nemoclaw-init")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("nemoclaw was built without it: run make build")
	}
	return f, err
}

// Program is cmd/init in a sealed memory file, ready to be started. Making it
// takes as long as all the rest of a start, and can be done beside other work.
// One may start any number of sandboxes, one after the other or at the same
// time.
type Program struct {
	ready chan struct{}
	fd    int
	err   error
}

// Load begins to make a Program, and returns at once.
func Load() *Program { return load(embedded) }

func load(open func() (io.ReadCloser, error)) *Program {
	p := &Program{ready: make(chan struct{}), fd: -1}
	go func() {
		defer close(p.ready)
		p.fd, p.err = seal(open)
	}()
	return p
}

// Close gives the memory back; what runs is not touched.
func (p *Program) Close() error {
	<-p.ready
	if p.fd < 0 {
		return nil
	}
	return unix.Close(p.fd)
}

// seal puts cmd/init into a sealed memory file, which nobody can change and
// to which no path leads. Its mode lets nobody read it: the kernel makes a
// process that runs an unreadable file untouchable from its first instruction
// on (execve(2), "dumpable").
func seal(open func() (io.ReadCloser, error)) (int, error) {
	from, err := open()
	if err != nil {
		return -1, fmt.Errorf("open init: %w", err)
	}
	defer from.Close()
	fd, err := unix.MemfdCreate("nemoclaw-init", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3, where every memory file can be executed
		fd, err = unix.MemfdCreate("nemoclaw-init", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("make memory file for init: %w", err)
	}
	_, err = io.CopyBuffer(memory(fd), struct{ io.Reader }{from}, make([]byte, 32<<10))
	if err == nil {
		err = unix.Fchmod(fd, 0o111)
	}
	if err == nil {
		const all = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, all)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("fill memory file for init: %w", err)
	}
	return fd, nil
}

// memory writes to a memory file without the runtime's poller, which wants
// none.
type memory int

func (m memory) Write(b []byte) (int, error) { return unix.Write(int(m), b) }
