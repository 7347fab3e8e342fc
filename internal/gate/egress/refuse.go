package egress

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// reset ends a connection by RST, in both directions at once: a FIN would read
// as an empty answer.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	c.Close()
}

func resetFD(fd int) {
	resetOnClose(fd)
	unix.Close(fd)
}

func resetOnClose(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// refuse records v and ends the connection. Who asks is found out first: there
// is nobody left to ask about afterwards.
func (f *flow) refuse(v policy.Verdict) {
	if v.Action == policy.Allow {
		v = policy.Verdict{Why: "the gate allowed and refused at once: " + v.Why}
	}
	f.who()
	if f.to.Port() == 80 && v.Action == policy.Deny && f.explain(v) {
		f.close()
	} else {
		f.cut()
	}
	f.record(v)
}

// refuseAtOnce is for floods: nobody is asked who it was.
func (f *flow) refuseAtOnce(why string) {
	reset(f.in)
	f.g.tally.record(Event{Kind: Network, Program: "unknown", Target: "any destination", Why: why})
}

// How long a refused HTTP request may take to arrive, and its answer to leave.
const explaining = time.Second

// explain answers an HTTP request on port 80 with a 403 that says why. What is
// not one complete head, at once, gets nothing.
func (f *flow) explain(v policy.Verdict) (explained bool) {
	_ = f.in.SetDeadline(time.Now().Add(explaining))
	head := f.pending
	b := make([]byte, 4096)
	for headEnd(head) == 0 {
		if len(head) > maxHead || look(head) == looksOther || look(head) == looksTLS {
			return false
		}
		n, err := f.in.Read(b)
		if err != nil {
			return false
		}
		head = append(head, b[:n]...)
	}
	if look(head) != looksHTTP {
		return false
	}
	if _, err := io.WriteString(f.in, f.refusal(v)); err != nil {
		return false
	}
	// Unread bytes would turn our close into a reset, and the answer would be
	// lost: what the program still sends is read away.
	_ = f.in.CloseWrite()
	_, _ = io.Copy(io.Discard, io.LimitReader(f.in, 1<<20))
	return true
}

// Refusal is the body of the 403.
type Refusal struct {
	Error  string `json:"error"`
	Method string `json:"method,omitempty"` // of a request that was read
	Target string `json:"target"`
	Path   string `json:"path,omitempty"`
	Why    string `json:"why"`
	Hint   string `json:"hint"`
}

func (f *flow) refusal(v policy.Verdict) string {
	body, _ := json.Marshal(Refusal{ // strings alone: it cannot fail
		Error: "blocked by the sandbox's network policy", Target: f.target(), Why: v.Why,
		Hint: hintFor(v),
	})
	return fmt.Sprintf("HTTP/1.1 403 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		http.StatusText(http.StatusForbidden), len(body)+1, body)
}

// hintFor says what can be done about v. A question stays after its connection;
// a rule is the operator's to take away, and what has neither takes one.
func hintFor(v policy.Verdict) string {
	switch {
	case v.Action == policy.Ask, strings.HasPrefix(v.Rule, "unlisted: ask"):
		return "the operator can allow it: openshell term, or nemoclaw approvals"
	case v.Line > 0 && strings.HasPrefix(v.Rule, policy.Deny.String()+" "):
		return "the operator refused it in network-policy.yaml, and can take that rule away: nemoclaw policy remove --deny"
	}
	return "the operator can list it: nemoclaw policy add"
}
