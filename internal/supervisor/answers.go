package supervisor

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/approval"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// parseAnswer turns the wire's words into the desk's; both sets are closed.
func parseAnswer(w control.Answer) (approval.Answer, error) {
	var a approval.Answer
	switch w.Verdict {
	case "allow":
		a.Allow = true
	case "deny":
	default:
		return a, &control.Error{Message: "answer: verdict " + strconv.Quote(w.Verdict) + ": want allow or deny"}
	}
	switch w.Scope {
	case "once":
		a.Scope = approval.Once
	case "for":
		a.Scope, a.For = approval.For, time.Duration(w.Seconds)*time.Second
		if w.Seconds <= 0 || !a.Allow {
			return a, &control.Error{Message: "answer: scope for: want allow and a time above zero", Hint: "nemoclaw NAME approvals allow ID --for 1h"}
		}
	case "always":
		a.Scope = approval.Always
	default:
		return a, &control.Error{Message: "answer: scope " + strconv.Quote(w.Scope) + ": want once, for or always"}
	}
	return a, nil
}

// shown is an item as the operator sees it.
func shown(i approval.Item) control.Approval {
	a := control.Approval{
		ID: i.ID, Host: i.Host, Port: i.Port, Program: i.Program, Notice: i.Notice,
		Time: i.Asked, State: string(i.State), Held: i.Held, Count: i.Count, Until: i.Until,
	}
	switch {
	case !i.Addr.IsValid():
	case i.Host == "": // a program that asked for no name
		a.Host = i.Addr.String()
	default:
		a.Address = i.Addr.String()
	}
	return a
}

// entryOf is the rule that an "always" adds to the policy: the very host and
// port that was asked, and the address where that was the question. The
// program is left out: binaries narrow, and an operator who wants that writes
// it by hand.
//
// A denied address of a name is denied itself: the question was about it, not
// about the name.
func entryOf(i approval.Item, allow bool, by string, now time.Time) (policy.Entry, error) {
	port, err := policy.ParsePort(strconv.Itoa(i.Port))
	if err != nil {
		return policy.Entry{}, err
	}
	e := policy.Entry{Host: i.Host, Port: port, Note: answerNote(i, allow, by, now)}
	switch a := i.Addr; {
	case !a.IsValid():
	case e.Host == "" || !allow:
		e.Host = a.String()
	default:
		e.Addresses = []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
	}
	return e, nil
}

// answerNote says who answered, when and to whom. The program's path is the
// agent's to choose, and must not make the file one that cannot be edited. What
// refuses a request repeats the note of a denial, to the agent too, which needs
// not know the operator's name.
func answerNote(i approval.Item, allow bool, by string, now time.Time) string {
	word := "allowed"
	if !allow {
		word = "denied"
		if _, uid, found := strings.Cut(by, " (uid "); found {
			by = "uid " + strings.TrimSuffix(uid, ")")
		}
	}
	if by != "" {
		by = " by " + by
	}
	program := strconv.QuoteToASCII(i.Program)
	program = program[1 : len(program)-1]
	if len(program) > noteProgram {
		program = "..." + program[len(program)-noteProgram:]
	}
	return fmt.Sprintf("%s%s on %s, asked for by %s", word, by, now.UTC().Format("2006-01-02 15:04 MST"), program)
}

// noteProgram bounds the program's path in a note, in bytes.
const noteProgram = 200

func target(q approval.Question) string {
	host := q.Host
	if host == "" {
		host = q.Addr.String()
	}
	return hostPort(host, q.Port)
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
