package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// stream sends source as server-sent events, one JSON value each, until it
// closes or the peer goes. The header is sent at once: who has it misses
// nothing that comes.
func stream[T any](w http.ResponseWriter, r *http.Request, source <-chan T) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	if out.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case v, open := <-source:
			if !open || emit(w, v) != nil {
				return
			}
		}
		if len(source) == 0 && out.Flush() != nil {
			return
		}
	}
}

func emit(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "data: %s\n\n", data)
	return err
}

// Stream is the client's end of server-sent events. Close ends it; Next then
// fails. Next is for one goroutine.
type Stream[T any] struct {
	body io.ReadCloser
	in   *bufio.Reader
}

func newStream[T any](body io.ReadCloser) *Stream[T] {
	return &Stream[T]{body: body, in: bufio.NewReader(body)}
}

// Next waits for the next value; io.EOF when the supervisor has ended the stream.
func (s *Stream[T]) Next() (T, error) {
	var v T
	for {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			return v, err
		}
		data, found := bytes.CutPrefix(line, []byte("data: "))
		if !found {
			continue
		}
		if err := json.Unmarshal(data, &v); err != nil {
			return v, fmt.Errorf("read stream: %w", err)
		}
		return v, nil
	}
}

// Close ends the stream.
func (s *Stream[T]) Close() error { return s.body.Close() }
