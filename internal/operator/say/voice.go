package say

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Voice is the three streams of one run of the program. Its methods may be
// called from several goroutines.
type Voice struct {
	In  *os.File
	Out io.Writer
	Err io.Writer

	OutTTY bool // Out is a terminal
	ErrTTY bool
	InTTY  bool // In is a terminal: a question may be asked
	Colour bool // of Out

	mu sync.Mutex
	// passing is whether a line on Err waits to be written over. Protected by mu.
	passing bool
}

// Standard is the process's own streams.
func Standard() *Voice {
	v := &Voice{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	v.OutTTY = term.IsTerminal(int(os.Stdout.Fd()))
	v.ErrTTY = term.IsTerminal(int(os.Stderr.Fd()))
	v.InTTY = term.IsTerminal(int(os.Stdin.Fd()))
	v.Colour = v.OutTTY && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return v
}

// Result prints a line to stdout.
func (v *Voice) Result(format string, args ...any) {
	v.wipe()
	_, _ = fmt.Fprintf(v.Out, format+"\n", args...)
}

// News prints a line to stderr.
func (v *Voice) News(format string, args ...any) {
	v.wipe()
	_, _ = fmt.Fprintf(v.Err, format+"\n", args...)
}

// Passing shows a line on stderr that the next one writes over. Without a
// terminal it shows nothing: use News for what must be seen.
func (v *Voice) Passing(format string, args ...any) {
	if !v.ErrTTY {
		return
	}
	line := fmt.Sprintf(format, args...)
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && width > 1 {
		line = cut(line, width-1)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.passing = true
	_, _ = fmt.Fprint(v.Err, "\r"+line+"\x1b[K")
}

func (v *Voice) wipe() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.passing {
		return
	}
	v.passing = false
	_, _ = fmt.Fprint(v.Err, "\r\x1b[K")
}

func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width])
}

// Paint wraps s in an SGR code ("32" is green) where colour is wanted.
func (v *Voice) Paint(code, s string) string {
	if !v.Colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Confirm asks a yes-or-no question on the terminal; no is the answer to an
// empty line. Where nobody can answer it fails and names flag.
func (v *Voice) Confirm(question, flag string) (bool, error) {
	if !v.InTTY {
		return false, Misused("add "+flag, "%s: nobody to ask: stdin is not a terminal", strings.ToLower(strings.TrimSuffix(question, "?")))
	}
	v.wipe()
	_, _ = fmt.Fprintf(v.Err, "%s [y/N] ", question)
	answer, err := readLine(v.In)
	if err != nil {
		return false, err
	}
	a := strings.ToLower(strings.TrimSpace(answer))
	return a == "y" || a == "yes", nil
}

// readLine reads up to a newline, a byte at a time so that nothing after it is
// taken from whoever reads next.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n == 1 && b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[:n]...)
		if err == io.EOF && len(line) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", err
		}
	}
}
