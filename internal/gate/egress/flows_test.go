package egress

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/test/internet"
)

func TestHelloMustNameTheHost(t *testing.T) {
	b := newBench(t, github, nil)
	for _, sni := range []string{"evil.example", "api.github.com.evil.example", ""} {
		c := tls.Client(b.dial("api.github.com", 443), &tls.Config{ServerName: sni, InsecureSkipVerify: true})
		if err := c.Handshake(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("SNI %q: %v", sni, err)
		}
	}
	c := b.dial("api.github.com", 443)
	io.WriteString(c, "SSH-2.0-x\r\n")
	b.mustReset(c)
	c = b.dial("api.github.com", 443)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
	b.mustReset(c)
	if got := b.world.Arrivals(); len(got) != 0 {
		t.Errorf("arrived: %+v", got)
	}
	b.events.await(t, func(e Event) bool { return strings.Contains(e.Why, `"evil.example"`) })
}

func TestFragmentedHelloIsPutTogether(t *testing.T) {
	b := newBench(t, github, nil)
	slow := &trickle{Conn: b.dial("api.github.com", 443)}
	c := tls.Client(slow, &tls.Config{ServerName: "api.github.com", RootCAs: b.world.Pool()})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
}

// trickle writes one byte a segment.
type trickle struct{ net.Conn }

func (s *trickle) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestEveryRequestIsJudged(t *testing.T) {
	b := newBench(t, github, nil)
	for _, port := range []int{80, 8080} {
		b.world.Service("plain.example", uint16(port), func(c net.Conn) { io.Copy(io.Discard, c) })
		c := b.dial("plain.example", port)
		io.WriteString(c, "POST /a HTTP/1.1\r\nHost: plain.example\r\nContent-Length: 5\r\n\r\nhello"+
			"POST /b HTTP/1.1\r\nHost: PLAIN.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+
			"GET /c HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /d HTTP/1.1\r\nHost: plain.example\r\n\r\n")
		b.mustReset(c)
		a, err := b.world.Await(t.Context(), func(a internet.Arrival) bool { return a.Addr.Port() == uint16(port) && a.Reset })
		if err != nil {
			t.Fatal(err)
		}
		if head := string(a.Head); !strings.Contains(head, "POST /a") || strings.Contains(head, "/c") || strings.Contains(head, "/d") {
			t.Errorf("port %d: arrived: %q", port, head)
		}
		b.events.await(t, func(e Event) bool {
			return e.Verdict == policy.Deny && e.Target == fmt.Sprintf("plain.example:%d", port) && strings.Contains(e.Why, "evil.example")
		})
	}
}

func TestRefusedHTTPSaysWhy(t *testing.T) {
	b := newBench(t, github, nil)
	for _, host := range []string{"unlisted.example", "203.0.113.99"} {
		c := b.dial(host, 80)
		r := get(t, c, host, "/")
		if r.StatusCode != 403 {
			t.Errorf("%s: status %d", host, r.StatusCode)
		}
	}
	c := b.dial("plain.example", 80)
	if r := get(t, c, "other.example", "/"); r.StatusCode != 403 {
		t.Errorf("wrong Host: status %d", r.StatusCode)
	}
	if got := b.world.Arrivals(); len(got) != 0 {
		t.Errorf("arrived: %+v", got)
	}
}

func TestWebSocketGoesOnAndADeclinedOneDoesNot(t *testing.T) {
	b := newBench(t, github, nil)
	b.world.Service("plain.example", 80, func(c net.Conn) { io.Copy(c, c) })
	const upgrade = "GET /ws HTTP/1.1\r\nHost: plain.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	for _, c := range []struct {
		then   string
		passes bool
	}{
		{"\x81\x85abcdhello" + "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", true}, // inside a frame anything may stand
		{"GET / HTTP/1.1\r\nHost: plain.example\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", false},
	} {
		conn := b.dial("plain.example", 80)
		io.WriteString(conn, upgrade)
		if _, err := io.ReadFull(conn, make([]byte, len(upgrade))); err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, c.then)
		got := make([]byte, len(c.then))
		_, err := io.ReadFull(conn, got)
		if passed := err == nil && string(got) == c.then; passed != c.passes {
			t.Errorf("%q: passes %v, %v", c.then, passed, err)
		}
	}
}

// Chunks, sizes and what follows them, as they come and in one piece.
func TestBodies(t *testing.T) {
	b := newBench(t, github, nil)
	b.world.Service("plain.example", 8080, func(c net.Conn) { io.Copy(c, c) })
	const head = "POST / HTTP/1.1\r\nHost: plain.example\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		body   string
		passes bool
	}{
		{"5\r\nhello\r\n0\r\n\r\n", true},
		{"00005\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", true},
		{"5;a=b\r\nhello\r\n0\r\n\r\n", false},
		{"0x5\r\nhello\r\n0\r\n\r\n", false},
		{"-5\r\nhello\r\n0\r\n\r\n", false},
		{"4\r\nhello\r\n0\r\n\r\n", false},
		{"5\nhello\r\n0\r\n\r\n", false},
		{"ffffffffffffffff\r\nhello", false},
		{"0\r\nHost: evil.example\r\n\r\n", false},
		{"0\r\n\r\nGET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", false},
	} {
		conn := b.dial("plain.example", 8080)
		io.WriteString(conn, head+c.body)
		conn.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(conn)
		if passed := err == nil && string(got) == head+c.body; passed != c.passes {
			t.Errorf("%q: passes %v: %q, %v", c.body, passed, got, err)
		}
	}
}

// On ports of no protocol, too, nothing that a server takes for a request
// passes unread: the next one on the connection could name another host.
func TestRequestsInDisguise(t *testing.T) {
	b := newBench(t, github, nil)
	var mu sync.Mutex
	var arrived strings.Builder
	b.world.Service("plain.example", 8080, func(c net.Conn) {
		got, _ := io.ReadAll(c)
		mu.Lock()
		defer mu.Unlock()
		arrived.Write(got)
	})
	const evil = "GET /evil HTTP/1.1\r\nHost: evil.example\r\n\r\n"
	for name, first := range map[string]string{
		"long method":      strings.Repeat("A", 33) + " / HTTP/1.1\r\nHost: plain.example\r\n\r\n",
		"long target":      "FOO /" + strings.Repeat("a", maxLine) + " HTTP/1.1\r\nHost: plain.example\r\n\r\n",
		"many empty lines": strings.Repeat("\r\n", maxLine),
		"vertical tabs":    "\vFOO\v/\vHTTP/1.1\r\nHost: plain.example\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := b.dial("plain.example", 8080)
			io.WriteString(c, first)
			io.WriteString(c, evil)
			// Cut in the middle: a reset nearly always, an end of file where the
			// other side's own end was quicker; never an answer.
			if got, err := io.ReadAll(c); len(got) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %q, %v: want the end", got, err)
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(arrived.String(), "evil") {
		t.Errorf("arrived: %q", arrived.String())
	}
}
