package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// NotRunning means that the sandbox has no living supervisor.
type NotRunning struct {
	Name  string
	Cause error
}

func (e *NotRunning) Error() string { return fmt.Sprintf("sandbox %q is not running", e.Name) }
func (e *NotRunning) Unwrap() error { return e.Cause }

// Hint is the command that brings it up.
func (e *NotRunning) Hint() string { return fmt.Sprintf("nemoclaw %s start", e.Name) }

// Refusal is an Error that came over the wire, with its HTTP status.
type Refusal struct {
	Status int
	Err    *Error
}

func (e *Refusal) Error() string { return e.Err.Message }
func (e *Refusal) Unwrap() error { return e.Err }

// Hint is the supervisor's, and may be empty.
func (e *Refusal) Hint() string { return e.Err.Hint }

func refusal(answer *http.Response) error {
	said := new(Error)
	body := io.LimitReader(answer.Body, maxBody)
	if err := json.NewDecoder(body).Decode(said); err != nil || said.Message == "" {
		said = &Error{Message: "supervisor answered " + answer.Status}
	}
	return &Refusal{Status: answer.StatusCode, Err: said}
}
