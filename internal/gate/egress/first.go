package egress

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// How long a program may be silent where it must speak first, and how long it
// may take to finish what it has begun.
const (
	speakTime  = time.Minute
	finishTime = 10 * time.Second
)

// errSlow: the bytes did not come in time.
var errSlow = errors.New("it did not go on in time")

// mustSpeak: on the ports of HTTP and TLS, and where requests are judged,
// nothing else may flow.
func (f *flow) mustSpeak() bool { return speaksFirst(f.request.Port) || f.reads.Load() }

// speaksFirst: on the ports of HTTP and TLS the program does.
func speaksFirst(p policy.Port) bool { return p == 80 || p == 443 }

// silent is the reason of who has ended, or waited too long, before it said
// anything. HTTP clients connect on suspicion, and some connections they do not
// need: nothing was refused to those.
const silent = "it ended before it said anything"

// firstBytes judges what a program says first where it must speak first. The
// reason is empty where it may go on.
func (f *flow) firstBytes() (s shape, why string) {
	if !f.mustSpeak() {
		return unclear, ""
	}
	s, err := f.listen(nil)
	switch {
	case len(f.pending) == 0:
		return s, silent
	case err != nil:
		return s, err.Error()
	case s == looksOther:
		return s, fmt.Sprintf("what it sends is neither HTTP nor TLS, which port %d is for", f.to.Port())
	}
	return s, ""
}

// listen reads until it is clear what the program's first bytes are, and judges
// them; they stay in pending. While they may still be anything, pass (if not
// nil) passes them on, so that nobody who says one byte and waits for an answer
// is kept waiting: no server acts on the first half of a first line.
func (f *flow) listen(pass func([]byte) error) (shape, error) {
	var g gatherer
	fed, s := 0, unclear
	for seen := len(f.pending) == 0; ; seen = true {
		var err error
		if seen { // what was read before comes first
			err = f.more(f.patience(s, pass != nil))
		}
		s = look(f.pending)
		done, why := s == looksOther, error(nil)
		switch s {
		case looksTLS:
			done, why = f.judgeHello(&g, f.pending[fed:])
			fed = len(f.pending)
		case looksHTTP:
			done, why = f.judgeFirst(skipLines(f.pending))
		}
		switch {
		case why != nil || done:
			return s, why
		case errors.Is(err, io.EOF) && s == unclear: // short, but whole
			return looksOther, nil
		case err != nil:
			return s, fmt.Errorf("its first message ends in the middle: %w", err)
		}
		if s == unclear && pass != nil {
			if err := pass(f.pending[f.passed:]); err != nil {
				return s, err
			}
			f.passed = len(f.pending)
		}
	}
}

// patience is how long to wait for the next of the first bytes.
func (f *flow) patience(s shape, passing bool) time.Duration {
	switch {
	case s == unclear && passing:
		return idleTime // the server has it all; it may be for it to speak
	case len(f.pending) == 0:
		return speakTime
	}
	return finishTime
}

func (f *flow) judgeHello(g *gatherer, fresh []byte) (done bool, why error) {
	h, err := g.feed(fresh)
	if errors.Is(err, errMore) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	return true, reason(h.judge(f.request.Host))
}

// judgeFirst judges the first request, before anything is dialled where that is
// possible.
func (f *flow) judgeFirst(b []byte) (done bool, why error) {
	n := headEnd(b)
	switch {
	case len(b) == 0 && len(f.pending) > maxLine:
		return true, errors.New("nothing but empty lines where a request should be")
	case n > maxHead || n == 0 && len(b) > maxHead:
		return true, fmt.Errorf("an HTTP head over the limit of %d bytes", maxHead)
	case n == 0:
		return false, nil
	}
	r, err := parseHead(b[:n])
	if err != nil {
		return true, fmt.Errorf("an HTTP request that cannot be judged: %w", err)
	}
	return true, reason(r.judge(f.request.Host, f.request.Port))
}

func reason(why string) error {
	if why == "" {
		return nil
	}
	return errors.New(why)
}

// more reads what the program says next into pending. It fails with errSlow
// where nothing comes within limit; a limit of idleTime means that both ends
// must be silent for so long.
func (f *flow) more(limit time.Duration) error {
	for {
		if err := f.in.SetReadDeadline(time.Now().Add(limit)); err != nil {
			return err
		}
		f.pending = grow(f.pending)
		n, err := f.in.Read(f.pending[len(f.pending):cap(f.pending)])
		f.pending = f.pending[:len(f.pending)+n]
		switch {
		case n > 0:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case limit != idleTime || f.isQuiet():
			return errSlow
		}
	}
}

// grow makes room for a read at the end of b.
func grow(b []byte) []byte {
	const room = 2048
	if cap(b)-len(b) >= room {
		return b
	}
	bigger := make([]byte, len(b), 2*cap(b)+room)
	copy(bigger, b)
	return bigger
}
