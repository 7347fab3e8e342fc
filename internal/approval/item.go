package approval

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Question is what the operator is asked: may this program reach this. Equal
// questions are one.
type Question struct {
	Host    string     `json:"host,omitempty"` // "" for a literal address
	Port    int        `json:"port"`
	Program string     `json:"program"`
	Addr    netip.Addr `json:"addr,omitzero"` // a literal one, or the private one that Host turned out to have
}

// State is where a question stands. The set is closed.
type State string

// The states.
const (
	StatePending State = "pending" // not answered
	StateOnce    State = "once"    // allowed for one connection
	StateUntil   State = "until"   // allowed until Item.Until
	StateAlways  State = "always"  // allowed, by the policy from now on
	StateDenied  State = "denied"  // refused, and its retries for a minute
	StateNever   State = "never"   // refused, by the policy from now on
	StateExpired State = "expired" // a grant that is used up or past its end, or a question nobody answered for a day
)

// Item is a question and what became of it.
type Item struct {
	ID string `json:"id"`
	Question
	State  State     `json:"state"`
	Asked  time.Time `json:"asked"`            // first
	Last   time.Time `json:"last"`             // last
	Count  int       `json:"count"`            // how often it was asked
	Held   int       `json:"held"`             // connections that wait right now
	Until  time.Time `json:"until,omitzero"`   // end of once, until and denied
	Notice string    `json:"notice,omitempty"` // what a person should look at twice
	Lapsed bool      `json:"lapsed,omitempty"` // a connection waited in vain: the next fails at once
	Taken  bool      `json:"taken,omitempty"`  // once: a connection is being made on it

	Answered  time.Time     `json:"answered,omitzero"`
	BootUntil time.Duration `json:"boot_until,omitzero"` // Until by the machine's other clock, Moment.Boot
	Run       string        `json:"run,omitempty"`       // of the machine in which it was answered

	claims int // connections that waited when it was answered and have not asked what for
}

// Kind says what a connection does now. The zero Kind is Denied.
type Kind uint8

// The kinds.
const (
	Denied  Kind = iota // it ends
	Wait                // it waits for the answer, as long as the policy's hold
	Allowed             // it goes on
)

func (k Kind) String() string {
	switch k {
	case Wait:
		return "wait"
	case Allowed:
		return "allowed"
	}
	return "denied"
}

// Decision is the desk's word on one connection. Why is in plain words.
type Decision struct {
	Kind Kind
	Why  string
}

// Scope is how far an answer goes.
type Scope uint8

// The scopes.
const (
	Once   Scope = iota // this connection
	For                 // a time; allow alone
	Always              // for good: the policy file must say it, too
)

// Answer is the operator's.
type Answer struct {
	Allow bool
	Scope Scope
	For   time.Duration // with For
}

// notice flags names that are shown in letters that can be taken for others.
func notice(host string) string {
	if !strings.Contains(host, "xn--") {
		return ""
	}
	shown, err := idna.Punycode.ToUnicode(host)
	if err != nil || shown == host {
		return "punycode that means nothing"
	}
	return "punycode: a browser shows “" + shown + "”, which can look like another host"
}
