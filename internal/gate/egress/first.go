package egress

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// How long a program may be silent where it must speak first, and how long it
// may take to finish its first message.
const (
	speakTime  = time.Minute
	finishTime = 10 * time.Second
)

// opening is what a flow begins with, once it is judged.
type opening struct {
	shape shape
	bytes []byte // read from the program and not passed on yet
}

// mustSpeak: on the ports of HTTP and TLS nothing else may flow.
func (f *flow) mustSpeak() bool { return f.to.Port() == 80 || f.to.Port() == 443 }

// firstBytes judges what a program says first where it must speak first. The
// reason is empty where it may go on.
func (f *flow) firstBytes() (opening, string) {
	if !f.mustSpeak() {
		return opening{}, ""
	}
	_ = f.in.SetReadDeadline(time.Now().Add(speakTime))
	o, err := f.listen()
	if err != nil {
		return o, err.Error()
	}
	if o.shape == looksOther {
		return o, fmt.Sprintf("what it sends is neither HTTP nor TLS, which port %d is for", f.to.Port())
	}
	return o, ""
}

// listen reads until it is clear what the bytes are, and judges them. For the
// first of them it waits as long as the caller has set; then there is an end.
func (f *flow) listen() (opening, error) {
	b := make([]byte, 4096)
	var g gatherer
	defer func() { _ = f.in.SetReadDeadline(time.Time{}) }()
	for {
		n, err := f.in.Read(b)
		if n > 0 && len(f.pending) == 0 {
			_ = f.in.SetReadDeadline(time.Now().Add(finishTime))
		}
		f.pending = append(f.pending, b[:n]...)
		o := opening{look(f.pending), f.pending}
		done, why := f.complete(&g, o, b[:n])
		switch {
		case why != nil:
			return o, why
		case done:
			return o, nil
		case err != nil && o.shape != unclear:
			return o, fmt.Errorf("its first message ends in the middle: %w", err)
		case errors.Is(err, io.EOF): // short, but whole: nothing it could become
			return opening{looksOther, f.pending}, nil
		case err != nil:
			return o, fmt.Errorf("its first message did not come: %w", err)
		}
	}
}

// complete says whether the opening can be judged, and the judgement.
func (f *flow) complete(g *gatherer, o opening, fresh []byte) (done bool, why error) {
	switch o.shape {
	case looksOther:
		return true, nil
	case looksTLS:
		if g.flight == 0 {
			fresh = o.bytes // it was unclear until now
		}
		h, err := g.feed(fresh)
		if errors.Is(err, errMore) {
			return false, nil
		}
		if err != nil {
			return true, err
		}
		return true, reason(h.judge(f.request.Host))
	case looksHTTP:
		// Its requests are judged one by one, the first before anything is
		// dialled where that is possible.
		return f.completeHTTP(o.bytes)
	}
	return false, nil
}

func (f *flow) completeHTTP(b []byte) (done bool, why error) {
	b = skipLines(b)
	n := headEnd(b)
	switch {
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
