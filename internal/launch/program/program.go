package program

import (
	"embed"
	"errors"
	"io/fs"
	"sync/atomic"
	"syscall"
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

// embedded is the program called name.
func embedded(name string) ([]byte, error) {
	if b := inPlace(&built, "init/"+name); b != nil {
		return b, nil
	}
	b, err := built.ReadFile("init/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("nemoclaw was built without it: run make build")
	}
	return b, err
}

// Program is cmd/init or cmd/tries in a sealed memory file, ready to be
// started. One may be started any number of times, one after the other or at
// the same time.
type Program struct {
	name  string
	from  []byte        // read only
	next  atomic.Int64  // the first byte that nobody copies yet
	left  atomic.Int64  // bytes that are not copied yet
	over  atomic.Bool   // set by who closes ready
	ready chan struct{} // closed when fd is filled and sealed, or err is there
	fd    int
	err   error

	filled func() // waits for others to fill it; nil where nobody does
}

// Init makes a memory file for init's program, which Fill fills.
func Init() *Program {
	return empty(initName, func() ([]byte, error) { return embedded(initName) })
}

// Filling is init's Program where its file is being filled by others; filled waits
// for their end.
func Filling(fd int, filled func()) *Program {
	p := &Program{name: initName, fd: fd, filled: filled, ready: make(chan struct{})}
	p.end(nil)
	return p
}

// Load begins to make init's Program, and returns at once.
func Load() *Program { return begin(initName) }

// LoadTries begins to make the one of cmd/tries, and returns at once.
func LoadTries() *Program { return begin(triesName) }

func begin(name string) *Program {
	return From(name, func() ([]byte, error) { return embedded(name) })
}

// From begins to make a Program of what read gives, and returns when that has.
func From(name string, read func() ([]byte, error)) *Program {
	p := empty(name, read)
	go p.Fill(nil)
	return p
}

// empty makes a memory file for what read gives.
func empty(name string, read func() ([]byte, error)) *Program {
	p := &Program{name: name, fd: -1, ready: make(chan struct{})}
	if err := p.make(read); err != nil {
		p.end(err)
	}
	return p
}

func (p *Program) make(read func() ([]byte, error)) (err error) {
	if p.from, err = read(); err != nil {
		return err
	}
	p.left.Store(int64(len(p.from)))
	p.fd, err = executable(p.name)
	return err
}

// end closes ready, once.
func (p *Program) end(err error) {
	if !p.over.CompareAndSwap(false, true) {
		return
	}
	if err != nil {
		p.err = &Error{p.name, err}
	}
	close(p.ready)
}

// chunk is how much is copied in one go, in bytes.
const chunk = 64 << 10

// Fill copies the program into its file, with whoever else does, until all is
// copied or begun, or until enough is set. It takes 0.8 ms in all, in which a
// process can be made that is to execute it.
func (p *Program) Fill(enough *atomic.Bool) {
	size := int64(len(p.from))
	for !p.over.Load() && (enough == nil || !enough.Load()) {
		at := p.next.Add(chunk) - chunk
		if at >= size {
			return
		}
		part := p.from[at:min(at+chunk, size)]
		err := writeAt(p.fd, part, at)
		if left := p.left.Add(-int64(len(part))); err == nil && left > 0 {
			continue
		}
		if err == nil {
			err = seal(p.fd)
		}
		p.end(err)
	}
}

// Descriptor is that of the file, which may still be empty; -1 where there is
// none. It stays p's.
func (p *Program) Descriptor() int { return p.fd }

// File waits until it is made, and gives its descriptor, which stays p's.
func (p *Program) File() (int, error) {
	<-p.ready
	if p.filled != nil {
		p.filled()
	}
	return p.fd, p.err
}

// Close gives the memory back; what runs is not touched.
func (p *Program) Close() error {
	<-p.ready
	if p.filled != nil {
		p.filled()
	}
	if p.fd < 0 {
		return nil
	}
	return syscall.Close(p.fd)
}

// Error is why there is no memory file with the program called Name.
type Error struct {
	Name string
	Err  error
}

func (e *Error) Error() string { return "put " + e.Name + " into memory: " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }
