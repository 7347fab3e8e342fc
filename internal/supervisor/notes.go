package supervisor

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// notesPlace is where the agent finds what its policy allows.
const notesPlace = "/sandbox/.openclaw/POLICY.md"

// notes is the host's file behind POLICY.md. It is bound into the sandbox, so
// it is written in place: a file put in its stead would not be seen inside.
type notes struct {
	name string

	mu   sync.Mutex
	file *os.File // protected by mu
}

// openNotes opens it; others may read it, as with inference.log.
func openNotes(path, name string) (*notes, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the policy's notes: %w", err)
	}
	if err := f.Chmod(0o644); err != nil { // whatever the umask was
		f.Close()
		return nil, fmt.Errorf("open the policy's notes: %w", err)
	}
	return &notes{name: name, file: f}, nil
}

// write tells the agent what policy() says at this moment; two writers at once
// leave the newest. Inside, the file is never empty, and for an instant it may
// be part old and part new.
func (n *notes) write(policy func() *policy.Policy, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := policyNotes(n.name, policy(), now)
	if _, err := n.file.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write the policy's notes: %w", err)
	}
	if err := n.file.Truncate(int64(len(text))); err != nil {
		return fmt.Errorf("write the policy's notes: %w", err)
	}
	return nil
}

func (n *notes) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.file.Close()
}

// noteRules is how many rules of a kind the notes list: an agent reads them
// into its context.
const noteRules = 200

// policyNotes says in plain words what p allows. The operator's own notes are
// not in it: they are written for the operator.
func policyNotes(name string, p *policy.Policy, now time.Time) []byte {
	var b strings.Builder
	b.WriteString("# What you may do here\n\nYou run in a sandbox that its operator keeps. This page is written anew whenever\nthe operator changes the rules; you cannot change it.\n\n## Network\n\n")
	if p.Off() {
		b.WriteString("Every host may be reached: the operator switched the network rules off.\n")
	} else {
		networkNotes(&b, name, p, now)
	}
	b.WriteString(`
## Models

Model calls go to http://127.0.0.1:11434 (Ollama's, OpenAI's and Anthropic's
APIs), where they are logged and need no key. Public model APIs cannot be
called directly unless they are listed above.

## Files

You can write below /sandbox and /tmp. The system is read-only, and nothing
else of the machine is here.
`)
	return []byte(b.String())
}

func networkNotes(b *strings.Builder, name string, p *policy.Policy, now time.Time) {
	allowed, denied := noteLists(p, now)
	if len(allowed) == 0 {
		b.WriteString("No host may be reached without a question.\n")
	} else {
		b.WriteString("These may be reached, by TCP, without any proxy settings:\n\n")
		listNotes(b, allowed)
	}
	if len(denied) > 0 {
		b.WriteString("\nThese are refused, whatever is listed above:\n\n")
		listNotes(b, denied)
	}
	b.WriteString("\n" + rest(p))
	fmt.Fprintf(b, `If you need one, say to the operator, in your own words, which HOST:PORT and
what for. The operator can allow it with

    nemoclaw %s policy add HOST:PORT

and it works at once.
`, name)
	b.WriteString("\nWhere only certain requests are listed, another one is answered with 403 and a\nJSON body that says why.\n")
	b.WriteString("\nA refused connection is reset. Only TCP leaves the sandbox; names are resolved\nfor you.\n")
}

// rest says what becomes of a host that is not listed.
func rest(p *policy.Policy) string {
	switch {
	case p.Unlisted() != policy.Ask:
		return "Every other host is refused at once, and nobody is asked.\n"
	case p.Hold() == 0:
		return "Every other host is asked of the operator: just connect. The connection fails at\nonce, and the question stays; once it is answered, a new connection goes through.\nDo not try again in a loop.\n"
	}
	return fmt.Sprintf("Every other host is asked of the operator: just connect. The connection waits up\nto %s for the answer, then it fails, and the question stays: once it is answered,\na new connection goes through. Do not try again in a loop.\n", p.Hold())
}

// noteLists are the rules that hold now, a line each.
func noteLists(p *policy.Policy, now time.Time) (allowed, denied []string) {
	for _, r := range p.List() {
		shown := policy.Rule{Action: r.Action, Host: r.Host, Ports: r.Ports, Binaries: r.Binaries, Expires: r.Expires, HTTP: r.HTTP}
		if shown.Host == "127.0.0.1" || policy.Host(shown.Host).IsHostLoopback() { // inside, 127.0.0.1 is another
			shown.Host = "host.nemoclaw.internal"
		}
		text := strings.TrimPrefix(shown.Text(), r.Action.String()+" ")
		if r.Credential.Secret != "" {
			text += " (a credential is added on the way: send any, or none)"
		}
		switch {
		case r.Action == policy.Deny:
			denied = append(denied, text)
		case r.Expires.IsZero() || now.Before(r.Expires):
			allowed = append(allowed, text)
		}
	}
	return allowed, denied
}

func listNotes(b *strings.Builder, lines []string) {
	for _, line := range lines[:min(len(lines), noteRules)] {
		fmt.Fprintf(b, "- %s\n", strings.ReplaceAll(line, "`", "'"))
	}
	if more := len(lines) - noteRules; more > 0 {
		fmt.Fprintf(b, "- and %d more\n", more)
	}
}
