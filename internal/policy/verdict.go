package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Action is what becomes of a request. The zero Action is Deny.
type Action uint8

// The actions.
const (
	Deny Action = iota
	Ask
	Allow
)

func (a Action) String() string {
	switch a {
	case Allow:
		return "allow"
	case Ask:
		return "ask"
	}
	return "deny"
}

// Program is who asks, as init says.
type Program struct {
	Exe      string   // path of the executable inside
	Parents  []string // executables of its parents, the nearest first
	Known    bool     // exactly one readable holder was found
	Writable bool     // the agent can change the executable
}

// Request is one connection that the agent wants.
type Request struct {
	Host    Host       // the name that it asked for; "" where it has a literal address
	Addr    netip.Addr // the literal address; otherwise not used
	Port    Port
	Program Program
	Time    time.Time
}

// Target is the destination as a person writes it.
func (r Request) Target() string {
	switch {
	case r.Host != "":
		return fmt.Sprintf("%s:%d", r.Host, r.Port)
	case r.Addr.Is6():
		return fmt.Sprintf("[%s]:%d", r.Addr, r.Port)
	}
	return fmt.Sprintf("%s:%d", r.Addr, r.Port)
}

// Verdict is what becomes of a request, and why, in plain words.
type Verdict struct {
	Action Action
	Rule   string // the rule that decided: "allow api.github.com:443", "unlisted: ask"; or ""
	Line   int    // where it stands in the file; 0 where no line says it
	Why    string
	// Reads: the rule allows certain HTTP requests alone, so the gate must read
	// them, and DecideHTTP judges each.
	Reads bool
}

func (v Verdict) String() string {
	text := v.Action.String() + ": " + v.Why
	if v.Line > 0 {
		text += fmt.Sprintf(" (line %d)", v.Line)
	}
	return text
}

// says is a verdict by a rule.
func (r *rule) says(a Action, format string, args ...any) Verdict {
	return Verdict{Action: a, Rule: r.text, Line: r.line, Why: fmt.Sprintf(format, args...)}
}

func list(words []string) string { return strings.Join(words, ", ") }
