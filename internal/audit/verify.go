package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Report is what Verify saw.
type Report struct {
	Events   uint64    `json:"events"`
	Segments int       `json:"segments"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Head     string    `json:"head"`             // hash of the last event
	Anchored uint64    `json:"anchored"`         // seq that the anchor names
	Torn     bool      `json:"torn,omitempty"`   // a crash tore the end off, beyond the anchor; the next start drops it
	Pruned   uint64    `json:"pruned,omitempty"` // events that the operator removed from the old end
	PrunedAt time.Time `json:"pruned_at,omitzero"`
	Damage   int       `json:"damage,omitempty"` // Damage events: what the book itself says was wrong with it, or lost
	Problems []Problem `json:"problems,omitempty"`
	Clock    []Problem `json:"clock,omitempty"` // where the machine's clock was set back; no edit: the chain tells those
}

// Problem is one place where the book is not what was written.
type Problem struct {
	Segment string `json:"segment,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1
	Seq     uint64 `json:"seq,omitempty"`  // of the event there, or of the one that should be
	Why     string `json:"why"`
}

func (p Problem) String() string {
	if p.Segment == "" {
		return p.Why
	}
	return fmt.Sprintf("%s line %d (event %d): %s", p.Segment, p.Line, p.Seq, p.Why)
}

// Tampered means that the book is not what was written.
type Tampered struct {
	First Problem
	Count int // of problems
}

func (e *Tampered) Error() string {
	if e.Count == 1 {
		return "audit book: " + e.First.String()
	}
	return fmt.Sprintf("audit book: %s; and %d more", e.First, e.Count-1)
}

// Hint says what is left to do.
func (e *Tampered) Hint() string {
	return "keep a copy of the audit folder and of its anchor, and find out who can write there"
}

const (
	maxProblems = 100
	clockSlack  = 2 * time.Second // a clock that is corrected may step back as far
)

// Verify reads the whole book and holds it to its chain and its anchor. The
// error is *Tampered where something is wrong with it, *Newer where a later
// nemoclaw wrote it. It writes nothing and works while the sandbox runs.
func Verify(dir, anchorPath string) (Report, error) {
	// The anchor first: a book in use can only have grown since.
	a, anchorErr := readAnchor(anchorPath)
	all, err := segments(dir)
	if err != nil {
		return Report{}, err
	}
	b, baseErr := readBase(anchorPath)
	if newer := (*Newer)(nil); errors.As(errors.Join(anchorErr, baseErr), &newer) {
		return Report{}, newer
	}
	for len(all) > 0 && all[0] <= b.Segment {
		all = all[1:] // removed, but for a crash
	}
	v := verifier{anchor: a, last: b.head(), met: anchorErr == nil && a.Seq == b.Seq}
	if baseErr != nil {
		v.problem(place{}, 0, baseErr.Error())
	}
	v.report.Segments, v.report.Pruned, v.report.PrunedAt = len(all), b.Seq, b.Time
	before := b.Segment
	for _, n := range all {
		if n != before+1 {
			v.problem(place{Segment: n, Line: 1}, v.last.Seq+1, "the segment before is missing")
		}
		before = n
		if info, err := os.Lstat(filepath.Join(dir, nameOf(n))); err == nil && !info.Mode().IsRegular() {
			v.problem(place{Segment: n, Line: 1}, v.last.Seq+1, "it is no file, but something that leads elsewhere")
			continue
		}
		err := lines(dir, n, 0, v.line)
		if errors.Is(err, errStop) {
			break
		}
		if err != nil {
			return v.report, err
		}
	}
	v.end(anchorErr)
	if len(v.report.Problems) == 0 {
		return v.report, nil
	}
	return v.report, &Tampered{v.report.Problems[0], v.count}
}

// Beyond is how many events of the book its anchor does not name: those of the moment
// where the sandbox runs, else what a crash cut short, or somebody appended.
func (r Report) Beyond() uint64 {
	if end := r.Pruned + r.Events; end > r.Anchored {
		return end - r.Anchored
	}
	return 0
}

// errStop ends a walk that has seen enough.
var errStop = errors.New("stop")

// verifier walks through the book.
type verifier struct {
	report Report
	anchor anchor
	last   head
	count  int  // of problems
	met    bool // the anchor's event was seen
}

func (v *verifier) problem(p place, seq uint64, why string) {
	v.count++
	if v.count > maxProblems {
		return
	}
	found := Problem{Seq: seq, Line: p.Line, Why: why}
	if p.Segment > 0 {
		found.Segment = nameOf(p.Segment)
	}
	v.report.Problems = append(v.report.Problems, found)
}

func (v *verifier) line(p place, line []byte) error {
	e, err := read(line)
	if err == nil && !p.Whole {
		err = errors.New("the line is torn")
	}
	var follows error
	if err == nil {
		follows = v.last.next(e)
	}
	if (err != nil || follows != nil) && v.met && tearable(p, line) {
		v.report.Torn = true // beyond the anchor nothing was ever durable
		return errStop
	}
	if err != nil {
		v.problem(p, v.last.Seq+1, err.Error())
		v.skip(p, line)
		return nil
	}
	if follows != nil {
		v.problem(p, e.Seq, follows.Error())
	}
	v.take(p, e)
	return nil
}

// tearable says whether a crash can have left line where no event belongs. What was
// being appended then ends in the middle of a line, or in blocks that nothing was
// written to; a line that is whole and well formed was put there.
func tearable(p place, line []byte) bool { return !p.Whole || !json.Valid(line) }

// skip goes on after a broken line as if it were the one that belongs here, so
// that one edit is one problem and not two.
func (v *verifier) skip(p place, line []byte) {
	seems := head{Seq: v.last.Seq + 1}
	if len(line) >= hashLen {
		tail := line[len(line)-hashLen:]
		seems.Hash = string(tail[len(hashOpen) : len(tail)-len(hashClose)])
	}
	v.pass(p, seems)
}

// pass makes h the last event, at p.
func (v *verifier) pass(p place, h head) {
	v.last = h
	if h == v.anchor.head() && p.Segment == v.anchor.Segment && p.Offset == v.anchor.Offset {
		v.met = true
	}
}

func (v *verifier) take(p place, e Event) {
	if back := v.report.Last.Sub(e.Time); back > clockSlack && len(v.report.Clock) < maxProblems {
		v.report.Clock = append(v.report.Clock, Problem{nameOf(p.Segment), p.Line, e.Seq, fmt.Sprintf("the clock was set back by %v", back.Round(time.Second))})
	}
	if v.report.Events == 0 {
		v.report.First = e.Time
	}
	v.report.Events++
	if e.Kind == Damage {
		v.report.Damage++
	}
	if e.Kind == Damage && strings.HasPrefix(e.Why, atOpen) {
		v.problem(p, e.Seq, e.Why) // a start makes nothing whole
	}
	v.report.Last = e.Time
	v.pass(p, head{e.Seq, e.Hash})
}

func (v *verifier) end(anchorErr error) {
	v.report.Head = v.last.Hash
	v.report.Anchored = v.anchor.Seq
	switch {
	case errors.Is(anchorErr, errNoAnchor) && v.report.Segments == 0:
	case anchorErr != nil:
		v.problem(place{}, 0, anchorErr.Error())
	case v.anchor.Seq > v.last.Seq:
		v.problem(place{}, v.anchor.Seq, fmt.Sprintf("the last events are missing: the book ends at %d, its anchor says %d", v.last.Seq, v.anchor.Seq))
	case v.anchor.Seq > 0 && !v.met:
		v.problem(place{}, v.anchor.Seq, fmt.Sprintf("event %d is not the one that its anchor names", v.anchor.Seq))
	}
}
