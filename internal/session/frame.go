package session

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// A command without a terminal needs no SSH: its streams are pipes made inside,
// and the operator's side may hold their ends itself. What is left to say goes
// over the control socket: the command, see hail.Ask, and then messages of
// package spec, each behind its length:
//
//	operator                        supervisor
//	    the command ─────────>
//	    <──────────  started        (with our ends of its stdio), or failed
//	    signal     ──────────>      at any time
//	    <──────────  paused         each time that everything inside is; its Error says why
//	    <──────────  exited         (or failed)
//
// The end of the connection is the end of the command.

// Handover is such a connection.
type Handover interface {
	io.ReadWriteCloser
	io.ByteReader
	// Hand writes b with descriptors beside it, which stay the caller's.
	Hand(b []byte, fds ...int) error
	// Take gives the descriptors that came with what has been read.
	Take() []int
}

// mostFrame bounds one message, in bytes.
const mostFrame = 64 << 10

func frame(m spec.Message) []byte {
	b := spec.EncodeMessage(m)
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...)
}

func readFrame(r io.Reader) (spec.Message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return spec.Message{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > mostFrame {
		return spec.Message{}, fmt.Errorf("message of %d bytes: at most %d", n, mostFrame)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return spec.Message{}, err
	}
	return spec.DecodeMessage(b)
}
