package egress

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Bounds of a hello. Real ones are below 4 KiB, post-quantum shares included.
const (
	maxHello   = 64 << 10 // the handshake message
	maxFlight  = maxHello + 16<<10
	maxRecord  = 1 << 14 // RFC 8446, 5.1
	recordHead = 5
)

// Extensions that matter here (the TLS registry of IANA).
const (
	extServerName = 0x0000
	extECH        = 0xfe0d // encrypted_client_hello, RFC 9849
	extECHDrafts  = 0xfe08 // its drafts had the numbers from here
	extESNI       = 0xffce // and its forerunner this one
)

// hello is what a ClientHello says about where it wants to go.
type hello struct {
	name string // the one host_name of server_name; "" where there is none
	ech  bool   // a second, encrypted hello is inside, or something that looks like one
}

// gatherer puts a ClientHello together from the records of a TLS stream,
// however they are cut. Feed it what arrives, in order; it looks at each byte
// once.
type gatherer struct {
	flight  int    // bytes so far, record headers included
	head    []byte // of the record that is being read, at most recordHead
	left    int    // payload bytes of that record that are still to come
	message []byte // the handshake message so far
}

// errMore: the hello is not complete yet.
var errMore = errors.New("hello: incomplete")

// feed takes the next bytes. It returns errMore until the hello is complete; any
// other error is final. What follows the hello is none of its business.
func (g *gatherer) feed(b []byte) (hello, error) {
	for len(b) > 0 {
		if g.left == 0 {
			n := min(recordHead-len(g.head), len(b))
			g.head, b = append(g.head, b[:n]...), b[n:]
			g.flight += n
			if err := g.startRecord(); err != nil {
				return hello{}, err
			}
			continue
		}
		n := min(g.left, len(b))
		g.message, b = append(g.message, b[:n]...), b[n:]
		g.left -= n
		g.flight += n
		if h, err := g.finish(); !errors.Is(err, errMore) {
			return h, err
		}
	}
	if g.flight > maxFlight {
		return hello{}, errors.New("hello: cut into too many records")
	}
	return hello{}, errMore
}

// startRecord checks as much of the record's header as is there.
func (g *gatherer) startRecord() error {
	h := g.head
	switch {
	case len(h) > 0 && h[0] != 0x16:
		return errors.New("hello: not a TLS handshake")
	case len(h) > 1 && h[1] != 3, len(h) > 2 && h[2] > 4:
		return errors.New("hello: not a version of TLS")
	case len(h) < recordHead:
		return nil
	}
	g.left = int(binary.BigEndian.Uint16(h[3:]))
	g.head = g.head[:0]
	if g.left == 0 || g.left > maxRecord {
		return fmt.Errorf("hello: a record of %d bytes", g.left)
	}
	return nil
}

// finish parses the message once all of it is there.
func (g *gatherer) finish() (hello, error) {
	m := g.message
	if m[0] != 1 {
		return hello{}, errors.New("hello: another handshake message comes first")
	}
	if len(m) < 4 {
		return hello{}, errMore
	}
	size := int(m[1])<<16 | int(m[2])<<8 | int(m[3])
	switch {
	case size > maxHello:
		return hello{}, fmt.Errorf("hello: %d bytes, which is over the limit of %d", size, maxHello)
	case len(m) < 4+size:
		return hello{}, errMore
	case len(m) > 4+size || g.left > 0: // keys may change after it, so its record ends with it (RFC 8446, 5.1)
		return hello{}, errors.New("hello: its record goes on after it")
	}
	return parseHello(m[4:])
}

// cursor reads TLS's length-prefixed vectors. After a read beyond the end bad
// is set, and everything reads as empty.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

// number reads a big-endian number of size bytes.
func (c *cursor) number(size int) (n int) {
	for _, x := range c.take(size) {
		n = n<<8 | int(x)
	}
	return n
}

func (c *cursor) vector(size int) *cursor {
	b := c.take(c.number(size))
	return &cursor{b: b, bad: c.bad}
}

// parseHello reads the body of a ClientHello (RFC 8446, 4.1.2), strictly: what
// two readers could read differently is refused.
func parseHello(body []byte) (hello, error) {
	c := &cursor{b: body}
	major := c.number(2) >> 8
	c.take(32) // random
	session := c.vector(1)
	suites := c.vector(2)
	compressions := c.vector(1)
	extensions := c.vector(2)
	switch {
	case c.bad:
		return hello{}, errors.New("hello: cut short")
	case len(c.b) > 0:
		return hello{}, errors.New("hello: bytes after its extensions")
	case major != 3:
		return hello{}, errors.New("hello: not a version of TLS")
	case len(session.b) > 32, len(suites.b) < 2, len(suites.b)%2 != 0, len(compressions.b) == 0:
		return hello{}, errors.New("hello: a field of an impossible length")
	}
	return parseExtensions(extensions)
}

func parseExtensions(c *cursor) (h hello, err error) {
	seen := map[int]bool{}
	for len(c.b) > 0 {
		kind := c.number(2)
		body := c.vector(2)
		switch {
		case c.bad:
			return hello{}, errors.New("hello: an extension is cut short")
		case seen[kind]:
			return hello{}, fmt.Errorf("hello: extension %d twice", kind)
		}
		seen[kind] = true
		switch {
		case kind == extServerName:
			if h.name, err = parseServerName(body); err != nil {
				return hello{}, err
			}
		case kind >= extECHDrafts && kind <= extECH, kind == extESNI:
			h.ech = true
		}
	}
	return h, nil
}

// parseServerName reads server_name (RFC 6066, 3): one host_name, nothing else.
func parseServerName(c *cursor) (string, error) {
	list := c.vector(2)
	kind := list.number(1)
	name := list.vector(2)
	if list.bad || len(c.b) > 0 || len(list.b) > 0 || kind != 0 || len(name.b) == 0 {
		return "", errors.New("hello: server_name is not one host name")
	}
	return string(name.b), nil
}

// judge says why the hello must not go to name, or "". An empty name is a
// literal address, to which the hello says nothing.
func (h hello) judge(name policy.Host) (why string) {
	if name == "" {
		return ""
	}
	switch {
	case h.ech:
		return "the TLS hello hides another one (encrypted_client_hello), so where it leads cannot be seen; turn ECH off in the program"
	case h.name == "":
		return "the TLS hello names no host (SNI), so it cannot be compared with " + string(name)
	}
	said, err := policy.ParseHost(h.name)
	if err != nil || said != name || h.name[len(h.name)-1] == '.' {
		return fmt.Sprintf("the TLS hello is for %q, not for %s", h.name, name)
	}
	return ""
}
