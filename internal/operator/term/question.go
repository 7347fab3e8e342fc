package term

import (
	"cmp"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// id names one question of one sandbox.
type id struct {
	sandbox state.Name
	id      string
}

// question is one that waits for the operator.
type question struct {
	id
	control.Approval
}

const pending = "pending"

// word is one of the operator's answers.
type word struct {
	key    string // what presses it
	label  string // of its button
	done   string // what was done
	answer control.Answer
}

// words are the answers, in the order of their buttons: the article's three,
// then the two that leave the policy file alone.
func words() []word {
	return []word{
		{"o", "Allow once", "allowed once", control.Answer{Verdict: "allow", Scope: "once"}},
		{"p", "Add to policy", "added to the policy", control.Answer{Verdict: "allow", Scope: "always"}},
		{"d", "Deny always", "denied for good", control.Answer{Verdict: "deny", Scope: "always"}},
		{"h", "1 hour", "allowed for 1 hour", control.Answer{Verdict: "allow", Scope: "for", Seconds: 3600}},
		{"n", "Not now", "denied this time", control.Answer{Verdict: "deny", Scope: "once"}},
	}
}

// wordOf is the answer that a key stands for.
func wordOf(key string) (word, bool) {
	all := words()
	i := slices.IndexFunc(all, func(w word) bool { return w.key == key })
	if i < 0 {
		return word{}, false
	}
	return all[i], true
}

// destination is what was asked for. The name is in the canonical form of the
// policy, ASCII; anything else in it shows as an escape.
func (q question) destination() string {
	return net.JoinHostPort(ascii(cmp.Or(q.Host, q.Address)), strconv.Itoa(q.Port))
}

// ascii shows every other letter as an escape: a host name must not look like
// another one.
func ascii(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// programOf is how a program is called on the screen: by its plain name where
// it lies in a folder that no agent can write, else with its whole path.
func programOf(exe string) string {
	switch path.Dir(exe) {
	case "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/libexec", "/usr/lib":
		return path.Base(exe)
	}
	return cmp.Or(exe, "unknown")
}

// asker is who asks, as the article has it: the agent, and by which program.
func asker(agent, exe string) string {
	if agent == "" || agent == "none" {
		return programOf(exe)
	}
	return agent + "-agent (" + programOf(exe) + ")"
}

// byUrgency: what is held comes first, then in the order of asking.
func byUrgency(a, b question) int {
	return cmp.Or(
		cmp.Compare(min(1, b.Held), min(1, a.Held)),
		a.Time.Compare(b.Time),
		cmp.Compare(a.sandbox, b.sandbox),
		cmp.Compare(a.id.id, b.id.id),
	)
}

// asks remembers when the connections of each question began to wait, as far
// as it was seen.
type asks map[id][]time.Time

const mostAsks = 64

func (a asks) add(q id, at time.Time) {
	all := append(a[q], at)
	a[q] = all[max(0, len(all)-mostAsks):]
}

// left is how long the first of q's held connections still waits; false where
// that is not known.
func (a asks) left(q question, hold time.Duration, now time.Time) (time.Duration, bool) {
	if q.Held == 0 || hold == 0 {
		return 0, false
	}
	began := a[q.id]
	switch {
	case len(began) >= q.Held:
		return max(0, began[len(began)-q.Held].Add(hold).Sub(now)), true
	case q.Count == 1:
		return max(0, q.Time.Add(hold).Sub(now)), true
	}
	return 0, false
}
