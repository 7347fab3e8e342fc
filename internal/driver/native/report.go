package native

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// word is one line of a supervisor's report.
type word struct {
	Tell  string `json:"tell,omitempty"`
	Ready bool   `json:"ready,omitempty"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code,omitempty"` // exit code, where the error has one of its own
}

// Report is the supervisor's end of the pipe. A zero Report says nothing: the
// supervisor was started by hand. It is not safe for concurrent use.
type Report struct {
	pipe *os.File
	over bool // the last word was said
}

// OpenReport takes the pipe at descriptor fd, which must be one; 0 is none.
func OpenReport(fd int) (*Report, error) {
	if fd == 0 {
		return &Report{}, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, errors.New("open report: the descriptor is not a pipe")
	}
	unix.CloseOnExec(fd)
	return &Report{pipe: os.NewFile(uintptr(fd), "report")}, nil
}

// Tell says which step is being taken.
func (r *Report) Tell(line string) { r.say(word{Tell: line}) }

// Ready says that all is checked, and ends the report.
func (r *Report) Ready() { r.last(word{Ready: true}) }

// Fail says why the sandbox does not start, and ends the report. After Ready
// it says nothing.
func (r *Report) Fail(err error) {
	w := word{Error: err.Error()}
	if h := (interface {
		error
		Hint() string
	})(nil); errors.As(err, &h) {
		w.Hint = h.Hint()
	}
	if c := (interface {
		error
		ExitCode() int
	})(nil); errors.As(err, &c) {
		w.Code = c.ExitCode()
	}
	r.last(w)
}

func (r *Report) last(w word) {
	r.say(w)
	r.over = true
	if r.pipe != nil {
		r.pipe.Close()
	}
}

// say writes one line. Whether anybody still listens does not matter.
func (r *Report) say(w word) {
	if r.pipe == nil || r.over {
		return
	}
	line, err := json.Marshal(w)
	if err != nil {
		panic("bug: json.Marshal of a report: " + err.Error())
	}
	_, _ = r.pipe.Write(append(line, '\n'))
}

// errSilent means that the pipe ended without a last word.
var errSilent = errors.New("the supervisor ended without a word")

// listen passes steps to tell until the last word. The result is nil for
// ready, *Refusal for an error, errSilent for neither.
func listen(r io.Reader, tell func(string)) error {
	d := json.NewDecoder(r)
	for {
		var w word
		if err := d.Decode(&w); err != nil {
			return errSilent
		}
		switch {
		case w.Ready:
			return nil
		case w.Error != "":
			return &Refusal{w.Error, w.Hint, w.Code}
		case w.Tell != "":
			tell(w.Tell)
		}
	}
}

// Refusal is the supervisor's own error, as it came over the pipe.
type Refusal struct {
	Message, Help string
	Code          int
}

func (e *Refusal) Error() string { return e.Message }

// Hint is what helps.
func (e *Refusal) Hint() string { return e.Help }

// ExitCode is 1 unless the supervisor said otherwise.
func (e *Refusal) ExitCode() int {
	if e.Code == 0 {
		return 1
	}
	return e.Code
}
