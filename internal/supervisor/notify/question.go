package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
)

// Question is what crosses to the process.
type Question struct {
	ID      string    `json:"id"`
	Host    string    `json:"host"` // or an address
	Port    int       `json:"port"`
	Program string    `json:"program"`           // path inside, or "unknown"
	Address string    `json:"address,omitempty"` // the private one that an allowed name has
	Notice  string    `json:"notice,omitempty"`  // what a person should look at twice
	Time    time.Time `json:"time"`
	More    int       `json:"more,omitempty"` // others that wait beside it
}

// told is the JSON on the command's stdin.
type told struct {
	Sandbox string `json:"sandbox"`
	Question
	Allow string `json:"allow"` // the commands that answer it
	Deny  string `json:"deny"`
}

// Bounds of a question's texts, in bytes, and of one question on the wire.
const (
	longText = 512
	longest  = 16 << 10
)

var plainID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]{1,32}$`) }) // compiled when first used

// check refuses what no question of a desk can be.
func (q Question) check() error {
	switch {
	case !plainID().MatchString(q.ID):
		return fmt.Errorf("id %.40q", q.ID)
	case q.Port < 1 || q.Port > 65535:
		return fmt.Errorf("port %d", q.Port)
	case q.More < 0:
		return fmt.Errorf("%d more", q.More)
	}
	return nil
}

// cleaned is the question with nothing in its texts that acts on a terminal,
// or reads as another letter.
func (q Question) cleaned() Question {
	q.Host, q.Program, q.Address = plain(q.Host), plain(q.Program), plain(q.Address)
	q.Notice = short(visible(q.Notice))
	return q
}

// plain escapes all but printable ASCII.
func plain(s string) string {
	quoted := strconv.QuoteToASCII(short(s))
	return quoted[1 : len(quoted)-1]
}

// visible escapes what is not printed. A notice shows the letters that are
// taken for others, which is its point.
func visible(s string) string {
	quoted := strconv.QuoteToGraphic(s)
	return quoted[1 : len(quoted)-1]
}

func short(s string) string {
	if len(s) <= longText {
		return s
	}
	return strings.ToValidUTF8(s[:longText], "") + "..."
}

// words is what the command of the sandbox is told.
func (q Question) words(sandbox string) ([]byte, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	base := "nemoclaw " + sandbox + " approvals "
	t := told{Sandbox: sandbox, Question: q.cleaned(), Allow: base + "allow " + q.ID, Deny: base + "deny " + q.ID}
	text, err := json.Marshal(t)
	return append(text, '\n'), err
}

// outcome is what became of a question: "" where the command ended well.
type outcome struct {
	Error string `json:"error,omitempty"`
}

// decoder reads questions from r.
func decoder(r io.Reader) func(*Question) error {
	next := child.Decoder(r, longest)
	return func(q *Question) error {
		*q = Question{}
		return next(q)
	}
}
