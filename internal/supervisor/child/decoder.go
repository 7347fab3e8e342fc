package child

import (
	"encoding/json"
	"errors"
	"io"
)

// bounded ends a reader after a number of bytes that is set anew for each
// question.
type bounded struct {
	io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("a question without end")
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Decoder reads questions from a wire, each into what it is given and at most
// longest bytes; a field that nobody knows is an error. It is for one goroutine.
func Decoder(r io.Reader, longest int) func(any) error {
	b := &bounded{Reader: r}
	d := json.NewDecoder(b)
	d.DisallowUnknownFields()
	return func(q any) error {
		b.left = longest
		return d.Decode(q)
	}
}
