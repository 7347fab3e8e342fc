package egress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// passRequests passes HTTP/1 requests on, each judged before any of its bytes
// leaves, and bodies without looking at them. It ends with the program's end
// of file, which it passes on. Answers are not its business: nothing in them
// can change what the program may say.
func (f *flow) passRequests() error {
	for {
		err := f.passRequest()
		switch {
		case errors.Is(err, io.EOF):
			return f.out.CloseWrite()
		case errors.Is(err, errOpaque):
			return f.passRest()
		case err != nil:
			return err
		}
	}
}

// errOpaque: what follows is no HTTP any more, rightly.
var errOpaque = errors.New("the connection is a WebSocket now")

// passRequest returns io.EOF where the program has ended between requests.
func (f *flow) passRequest() error {
	head, err := f.readHead()
	if err != nil {
		return err
	}
	r, err := parseHead(head)
	if err != nil {
		return f.object("an HTTP request that cannot be judged: " + err.Error())
	}
	if why := r.judge(f.request.Host, f.request.Port); why != "" {
		return f.object(why)
	}
	if err := f.passOn(r.out[f.passed:]); err != nil {
		return err
	}
	f.passed = 0
	f.pending = f.pending[len(head):]
	switch {
	case r.length < 0:
		return f.passChunks()
	case r.websocket:
		return f.passWebSocket()
	}
	return f.passBody(r.length)
}

// skipLines drops empty lines before a request, as servers do.
func skipLines(b []byte) []byte { return bytes.TrimLeft(b, "\r\n") }

// readHead reads until the next head is complete; it stays in pending.
func (f *flow) readHead() ([]byte, error) {
	for {
		skipped := len(f.pending) - len(skipLines(f.pending))
		f.pending, f.passed = f.pending[skipped:], max(0, f.passed-skipped)
		if n := headEnd(f.pending); n > 0 && n <= maxHead {
			return f.pending[:n], nil
		}
		if len(f.pending) > maxHead {
			return nil, f.object(fmt.Sprintf("an HTTP head over the limit of %d bytes", maxHead))
		}
		if err := f.goOn(); err != nil {
			return nil, err
		}
	}
}

// goOn reads more. What has begun must go on soon, and may not end there.
func (f *flow) goOn() error {
	if len(f.pending) == 0 {
		return f.more(idleTime)
	}
	err := f.more(finishTime)
	switch {
	case errors.Is(err, errSlow):
		return f.object("an HTTP request that does not go on")
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// passBody passes n bytes on, first those that are read already.
func (f *flow) passBody(n int64) error {
	if n == 0 {
		return nil
	}
	ready := min(n, int64(len(f.pending)))
	if err := f.passOn(f.pending[:ready]); err != nil {
		return err
	}
	f.pending = f.pending[ready:]
	if len(f.pending) == 0 {
		f.pending = nil // gives the buffer of a large head back
	}
	return f.pump(f.out, f.in, n-ready, &f.g.sent)
}

// passChunks passes a chunked body on (RFC 9112, 7.1), without extensions,
// which are a way to hide a size.
func (f *flow) passChunks() error {
	for {
		line, err := f.readLine()
		if err != nil {
			return err
		}
		size, err := chunkSize(line)
		if err != nil {
			return f.object("an HTTP body that cannot be judged: " + err.Error())
		}
		if err := f.passLine(line); err != nil {
			return err
		}
		if size == 0 {
			return f.passTrailer()
		}
		if err := f.passBody(size); err != nil {
			return err
		}
		if line, err = f.readLine(); err != nil {
			return err
		}
		if line != "" {
			return f.object("an HTTP body that cannot be judged: a chunk is longer than it says")
		}
		if err := f.passLine(line); err != nil {
			return err
		}
	}
}

func chunkSize(line string) (int64, error) {
	if line == "" || len(line) > 15 || strings.IndexFunc(line, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }) >= 0 {
		return 0, fmt.Errorf("a chunk size %.40q", line)
	}
	return strconv.ParseInt(line, 16, 64)
}

// passTrailer passes the fields after the last chunk on, but none that say
// where a request goes or ends.
func (f *flow) passTrailer() error {
	for total := 0; ; {
		line, err := f.readLine()
		if err != nil {
			return err
		}
		if total += len(line); total > maxHead {
			return f.object("an HTTP trailer over the limit")
		}
		if line != "" {
			trailer := fields{}
			if err := trailer.add(line); err != nil || forbidden(trailer) {
				return f.object("an HTTP trailer that may change the request")
			}
		}
		if err := f.passLine(line); err != nil || line == "" {
			return err
		}
	}
}

func forbidden(trailer fields) bool {
	for name := range trailer {
		switch name {
		case "host", "content-length", "transfer-encoding", "connection", "upgrade", "trailer", "x-forwarded-host", "x-host", "x-original-host":
			return true
		}
	}
	return false
}

// readLine reads one line that ends in CRLF and has no other control character;
// it is not in pending any more.
func (f *flow) readLine() (string, error) {
	for {
		if i := bytes.IndexByte(f.pending, '\n'); i >= 0 {
			line := string(f.pending[:i+1])
			f.pending = f.pending[i+1:]
			text, ok := strings.CutSuffix(line, "\r\n")
			if !ok || strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) {
				return "", f.object("an HTTP body that cannot be judged: a line that does not end in CRLF")
			}
			return text, nil
		}
		if len(f.pending) > maxLine {
			return "", f.object("an HTTP body that cannot be judged: a line without end")
		}
		switch err := f.goOn(); {
		case errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF
		case err != nil:
			return "", err
		}
	}
}

func (f *flow) passLine(line string) error { return f.passOn([]byte(line + "\r\n")) }

// passWebSocket looks at the two bytes after a request to go on as WebSocket.
// A program sends none before the server has agreed. If they begin a masked
// frame (RFC 6455, 5.2), the connection is a WebSocket: no server that did not
// agree takes such bytes for a request, since the mask bit makes the second one
// no ASCII. If not, the server did not agree, and a request follows.
func (f *flow) passWebSocket() error {
	for len(f.pending) < 2 {
		if err := f.goOn(); err != nil {
			return err
		}
	}
	const reserved, mask = 0x30, 0x80
	if f.pending[0]&reserved != 0 || f.pending[1]&mask == 0 {
		return nil
	}
	if err := f.passOn(f.pending); err != nil {
		return err
	}
	f.pending = nil
	return errOpaque
}
