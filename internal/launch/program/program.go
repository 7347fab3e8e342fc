// Package program holds the programs that run inside, and puts one into a
// memory file from which it can be started.
//
// Runs in: the supervisor, and a throw-away run's command line, there before
// most other packages are initialised (package early), so that it may import
// only what package os imports too.
// Reads:   what is embedded.
// Touches: memory.
// Fails:   with an error; then no sandbox starts.
// Proved by: every test of package launch.
package program

import (
	"embed"
	"errors"
	"io"
	"io/fs"
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
func Load() *Program { return From(initName, embedded(initName)) }

// LoadTries begins to make the one of cmd/tries, and returns at once.
func LoadTries() *Program { return From(triesName, embedded(triesName)) }

// From begins to make a Program of what open gives, and returns at once.
func From(name string, open func() (io.ReadCloser, error)) *Program {
	p := &Program{ready: make(chan struct{}), fd: -1}
	go func() {
		defer close(p.ready)
		if p.fd, p.err = seal(name, open); p.err != nil {
			p.err = &Error{name, p.err}
		}
	}()
	return p
}

// File waits until it is made, and gives its descriptor, which stays p's.
func (p *Program) File() (int, error) {
	<-p.ready
	return p.fd, p.err
}

// Close gives the memory back; what runs is not touched.
func (p *Program) Close() error {
	<-p.ready
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
