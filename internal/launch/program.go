package launch

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// built holds cmd/init and cmd/tries, which the Makefile builds into it. The
// folder and not the files is named, so that a fresh clone compiles; without
// the first no sandbox starts.
//
//go:embed init
var built embed.FS

// The programs that run inside.
const (
	initName  = "nemoclaw-init"
	triesName = "nemoclaw-tries"
)

// embedded opens the program called name.
func embedded(name string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		f, err := built.Open("init/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("nemoclaw was built without it: run make build")
		}
		return f, err
	}
}

// Program is cmd/init or cmd/tries in a sealed memory file, ready to be
// started. Making init's takes as long as all the rest of a start, and can be
// done beside other work. One may be started any number of times, one after the
// other or at the same time.
type Program struct {
	ready chan struct{}
	fd    int
	err   error
}

// Load begins to make a Program, and returns at once.
func Load() *Program { return load(initName, embedded(initName)) }

// LoadTries begins to make the one of cmd/tries, and returns at once.
func LoadTries() *Program { return load(triesName, embedded(triesName)) }

func load(name string, open func() (io.ReadCloser, error)) *Program {
	p := &Program{ready: make(chan struct{}), fd: -1}
	go func() {
		defer close(p.ready)
		p.fd, p.err = seal(name, open)
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

// seal puts a program into a sealed memory file, which nobody can change and to
// which no path leads. Its mode lets nobody read it: the kernel makes a
// process that runs an unreadable file untouchable from its first instruction
// on (execve(2), "dumpable").
func seal(name string, open func() (io.ReadCloser, error)) (int, error) {
	from, err := open()
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", name, err)
	}
	defer from.Close()
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3, where every memory file can be executed
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("make memory file for %s: %w", name, err)
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
		return -1, fmt.Errorf("fill memory file for %s: %w", name, err)
	}
	return fd, nil
}

// memory writes to a memory file without the runtime's poller, which wants
// none.
type memory int

func (m memory) Write(b []byte) (int, error) { return unix.Write(int(m), b) }
