package inference

import (
	"bytes"
	"encoding/json"
	"errors"
)

// same is the form of an answer in the agent's own API: it passes as it is, but
// for the model's name.
type same struct {
	*exchange
	key    string // of the model's name in the answer, "" where it stays
	hide   bool   // the figures at a stream's end, which the agent did not ask for
	hidden bool   // the line before was such

	like *stencil // of the element before
	buf  []byte
}

func (s *same) media() string        { return "" }
func (s *same) end() ([]byte, error) { return nil, nil }

func (s *same) line(line, payload []byte) ([]byte, error) {
	after := s.hidden
	s.hidden = false
	if len(payload) == 0 {
		if after && len(bytes.TrimSpace(line)) == 0 {
			return nil, nil
		}
		return line, nil
	}
	if string(payload) == sseEnd {
		s.tally.done = true
		return line, s.tally.uncallable()
	}
	if said, ok := s.like.known(payload); ok {
		if s.tally.heard(said, s.like.thinking) {
			s.first()
		}
		return s.put(line, payload, nil), nil
	}
	before := s.tally.mark()
	p, err := read(payload)
	if err != nil {
		return nil, err
	}
	if s.tally.add(p) {
		s.first()
	}
	if err := s.tally.uncallable(); err != nil {
		return nil, err
	}
	if s.hide && p.Usage != nil && len(p.Choices) == 0 && p.Error == nil {
		s.hidden = true
		return nil, nil
	}
	made := payload
	if s.key != "" {
		made = renamed(payload, s.key, s.call.Asked)
	}
	said, thinking := s.tally.only(before)
	s.like = s.like.after(payload, made, said, thinking)
	return s.put(line, payload, made), nil
}

// put is the line with another payload: what was made, or what the stencil
// makes. It is valid until the next one.
func (s *same) put(line, payload, made []byte) []byte {
	if s.key == "" {
		return line
	}
	at := bytes.Index(line, payload)
	s.buf = append(s.buf[:0], line[:at]...)
	if made == nil {
		s.buf = s.like.made(s.buf)
	} else {
		s.buf = append(s.buf, made...)
	}
	s.buf = append(s.buf, line[at+len(payload):]...)
	return s.buf
}

func (s *same) whole(body []byte) ([]byte, error) {
	p, err := read(body)
	if err != nil {
		return nil, err
	}
	s.tally.add(p)
	s.tally.done = true
	if err := s.tally.uncallable(); err != nil {
		return nil, err
	}
	if s.key != "" {
		body = renamed(body, s.key, s.call.Asked)
	}
	return body, nil
}

// read takes what is known of a piece of an answer.
func read(raw []byte) (*piece, error) { return readAs[piece](raw) }

// readAs reads a T. Fields of another type than expected are left out: they are
// for the agent to judge. A key that stands somewhere twice, or in two spellings,
// would be one thing to the record and another to the agent.
func readAs[T any](raw []byte) (*T, error) {
	p := new(T)
	err := json.Unmarshal(raw, p)
	odd := (*json.UnmarshalTypeError)(nil)
	if err != nil && !(errors.As(err, &odd) && raw[0] == '{') {
		return nil, nonsense("it is not JSON")
	}
	if _, err := members(raw, true); err != nil {
		return nil, nonsense("%v", err)
	}
	return p, nil
}
