package egress

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// realHello is what Go's own client sends.
func realHello(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	go tls.Client(client, cfg).Handshake() //nolint:errcheck // it ends when the pipe does
	defer server.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(server, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// records cuts a handshake message into records of n bytes.
func records(message []byte, n int) (out []byte) {
	for len(message) > 0 {
		k := min(n, len(message))
		out = append(out, 0x16, 3, 1, byte(k>>8), byte(k))
		out = append(out, message[:k]...)
		message = message[k:]
	}
	return out
}

func readHello(b []byte) (hello, error) {
	var g gatherer
	return g.feed(b)
}

func TestHelloInAnyPieces(t *testing.T) {
	message := realHello(t, &tls.Config{ServerName: "api.github.com"})[5:]
	for _, n := range []int{1, 2, 3, 100, len(message)} {
		stream := records(message, n)
		var g gatherer
		for i := range stream {
			h, err := g.feed(stream[i : i+1])
			last := i == len(stream)-1
			if !last && !errors.Is(err, errMore) {
				t.Fatalf("records of %d: byte %d: %v", n, i, err)
			}
			if last && (err != nil || h.name != "api.github.com") {
				t.Errorf("records of %d: %+v, %v", n, h, err)
			}
		}
	}
}

// build makes a ClientHello with these extensions.
func build(extensions ...[]byte) []byte {
	all := bytes.Join(extensions, nil)
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 2, 0x13, 1, 1, 0)
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(all))), all...)
	return append([]byte{1, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

func extension(kind uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

func sni(names ...string) []byte {
	var list []byte
	for _, n := range names {
		list = append(binary.BigEndian.AppendUint16(append(list, 0), uint16(len(n))), n...)
	}
	return extension(extServerName, append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...))
}

func TestHelloIsForTheName(t *testing.T) {
	const name = policy.Host("allowed.example")
	for _, c := range []struct {
		what  string
		hello []byte
		ok    bool
	}{
		{"plain", build(sni("allowed.example")), true},
		{"other case", build(sni("Allowed.EXAMPLE")), true},
		{"padded", build(sni("allowed.example"), extension(21, make([]byte, 60000))), true},
		{"other name", build(sni("evil.example")), false},
		{"name with a prefix", build(sni("evilallowed.example")), false},
		{"name with a suffix", build(sni("allowed.example.evil.example")), false},
		{"final dot", build(sni("allowed.example.")), false},
		{"NUL", build(sni("allowed.example\x00.evil.example")), false},
		{"address", build(sni("192.0.2.1")), false},
		{"empty name", build(sni("")), false},
		{"two names", build(sni("allowed.example", "evil.example")), false},
		{"two extensions", build(sni("allowed.example"), sni("evil.example")), false},
		{"no SNI", build(), false},
		{"ECH", build(sni("allowed.example"), extension(extECH, []byte{0, 1, 2, 3})), false},
		{"ECH before", build(extension(extECH, nil), sni("allowed.example")), false},
		{"ECH draft", build(sni("allowed.example"), extension(0xfe0a, nil)), false},
		{"ESNI", build(sni("allowed.example"), extension(extESNI, nil)), false},
		{"trailing byte", append(build(sni("allowed.example")), 0), false},
		{"server hello first", append([]byte{2, 0, 0, 0}, build(sni("allowed.example"))...), false},
	} {
		h, err := readHello(records(c.hello, maxRecord))
		ok := err == nil && h.judge(name) == ""
		if ok != c.ok {
			t.Errorf("%s: passes %v: %v, %q", c.what, ok, err, h.judge(name))
		}
	}
}

func TestLiteralAddressTakesAnyHello(t *testing.T) {
	h, err := readHello(records(build(), 50))
	if err != nil || h.judge("") != "" {
		t.Errorf("%v, %q", err, h.judge(""))
	}
}

func TestHelloIsBounded(t *testing.T) {
	var g gatherer
	endless := records(append([]byte{1, 0, 0xff, 0xff}, make([]byte, 1<<16)...), 1)
	if _, err := g.feed(endless); errors.Is(err, errMore) || err == nil {
		t.Errorf("one byte a record: %v", err)
	}
	if _, err := readHello([]byte{0x16, 3, 1, 0, 5, 1, 0xff, 0xff, 0xff, 0}); err == nil || errors.Is(err, errMore) {
		t.Errorf("16 MiB announced: %v", err)
	}
}

// The law: however a stream is cut, the verdict is the same; and what passes
// for a name carries that name, once, in the clear.
func FuzzHello(f *testing.F) {
	f.Add(realHello(f, &tls.Config{ServerName: "allowed.example"}), uint8(7))
	f.Add(records(build(sni("allowed.example")), 9), uint8(1))
	f.Add(records(build(sni("evil.example"), extension(extECH, nil)), 300), uint8(200))
	f.Add([]byte{0x16, 3, 1, 0, 4, 1, 0, 0, 0}, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		whole, wholeErr := readHello(b)
		var g gatherer
		var cut hello
		cutErr := errMore
		for i := 0; i < len(b) && errors.Is(cutErr, errMore); i += int(step) + 1 {
			cut, cutErr = g.feed(b[i:min(len(b), i+int(step)+1)])
		}
		if (wholeErr == nil) != (cutErr == nil) && !(tail(wholeErr) || tail(cutErr)) {
			t.Fatalf("whole %v, cut %v", wholeErr, cutErr)
		}
		if wholeErr == nil && cutErr == nil && whole != cut {
			t.Fatalf("whole %+v, cut %+v", whole, cut)
		}
		if wholeErr != nil && whole != (hello{}) {
			t.Fatalf("%+v with an error", whole)
		}
		if wholeErr == nil && whole.judge("allowed.example") == "" {
			if whole.ech || !strings.EqualFold(whole.name, "allowed.example") || !bytes.Contains(bytes.ToLower(b), []byte("allowed")) && len(b) < 100 {
				t.Fatalf("passes: %+v", whole)
			}
		}
	})
}

// tail: bytes after the hello are nobody's business, but only the whole stream
// has them in the same read.
func tail(err error) bool {
	return err == nil || errors.Is(err, errMore) || strings.Contains(err.Error(), "too many records")
}
