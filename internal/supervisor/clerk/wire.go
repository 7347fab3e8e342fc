package clerk

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
)

// The words of a question.
const (
	opNetwork   = "network"   // -> the text of the network policy
	opInference = "inference" // -> the text of the inference policy
	opReplace   = "replace"   // the network policy, where its text is Old, by New
	opKey       = "key"       // -> the stored secret Name

	opCredential = "credential" // -> the stored secret Name, of a rule of the network policy
)

// question is what the supervisor asks, one JSON value each. The first thing
// on the wire is the clerk's own word: an empty answer, once it is confined.
type question struct {
	Op   string `json:"op"`
	Name string `json:"name,omitempty"`
	Old  []byte `json:"old,omitempty"`
	New  []byte `json:"new,omitempty"`
}

// answer has data, or says why not. The data follow it on the wire as they are:
// a policy is half a megabyte, and as a text of JSON it would take longer than
// everything else between a save and its effect.
type answer struct {
	Data    []byte `json:"-"`
	Bytes   int    `json:"bytes,omitempty"`   // of the data
	Changed bool   `json:"changed,omitempty"` // of replace: the text on disk is not Old
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// write puts the answer on the wire: a line of JSON, then the data.
func (a answer) write(w io.Writer) error {
	a.Bytes = len(a.Data)
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = w.Write(append(append(line, '\n'), a.Data...))
	return err
}

// readAnswer reads the next one.
func readAnswer(r *bufio.Reader) (a answer, err error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return answer{}, err
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return answer{}, err
	}
	if a.Bytes < 0 || a.Bytes > longest {
		return answer{}, fmt.Errorf("an answer of %d bytes", a.Bytes)
	}
	a.Data = make([]byte, a.Bytes)
	_, err = io.ReadFull(r, a.Data)
	return a, err
}

// longest bounds one question, in bytes of JSON: two policies; and the data of
// one answer.
const longest = 16 << 20

// Refused is what the clerk says in place of data.
type Refused struct{ Message, Remedy string }

func (r *Refused) Error() string { return r.Message }

// Hint is what helps, empty where nothing is known to.
func (r *Refused) Hint() string { return r.Remedy }

func failed(err error) answer {
	a := answer{Error: err.Error()}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		a.Hint = h.Hint()
	}
	return a
}

// decoder reads questions from r, each at most longest.
func decoder(r io.Reader) func(*question) error {
	next := child.Decoder(r, longest)
	return func(q *question) error { return next(q) }
}
