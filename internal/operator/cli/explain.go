package cli

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/secret"
)

func (t target) policyExplainCommand() *cobra.Command {
	var asJSON bool
	var call string
	var as requested
	c := &cobra.Command{
		Use:   "explain HOST[:PORT] | explain --syscall NAME",
		Short: "what would become of a connection or a system call, and why; port 443 unless said",
		Args: func(c *cobra.Command, args []string) error {
			if call != "" {
				return noArgs(c, args)
			}
			return words("HOST[:PORT]")(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if call != "" {
				return t.explainCall(call, asJSON)
			}
			return t.explain(args[0], as, asJSON)
		},
	}
	c.Flags().StringVar(&call, "syscall", "", "a system call, by its name")
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	c.Flags().StringVar(&as.program, "program", "", "as this program, a path inside (default: an unknown one)")
	c.Flags().StringVar(&as.method, "method", "", "of one HTTP request, with --path: GET unless said")
	c.Flags().StringVar(&as.path, "path", "", "of one HTTP request: as the program would send it")
	return c
}

// requested is what is known of a request beside its destination.
type requested struct{ program, method, path string }

// explained is `policy explain --json`.
type explained struct {
	Target  string `json:"target"`
	Verdict string `json:"verdict"` // allow, deny, ask
	Rule    string `json:"rule"`
	Line    int    `json:"line,omitempty"`
	Why     string `json:"why"`

	Method     string `json:"method,omitempty"`
	Path       string `json:"path,omitempty"`       // canonical
	Credential string `json:"credential,omitempty"` // added to the request

	secret string // of Credential
}

func (t target) explain(destination string, as requested, asJSON bool) error {
	p, err := t.inForce()
	if err != nil {
		return err
	}
	r, err := request(destination, as.program)
	if err != nil {
		return err
	}
	e, err := as.judge(p, r)
	if err != nil {
		return err
	}
	if asJSON {
		return t.app.voice.JSON(e)
	}
	t.app.voice.Result("%s %s", e.Verdict, say.Clean(strings.TrimSpace(e.Method+" "+e.Target+e.Path)))
	if e.Rule != "" {
		t.app.voice.Result("rule: %s", say.Clean(e.Rule))
	}
	t.app.voice.Result("why: %s", say.Clean(e.Why))
	if e.Credential != "" {
		t.app.voice.Result("credential: %s is added", say.Clean(e.Credential))
		t.app.warnNotStored(e.secret)
	}
	return nil
}

// warnNotStored: until its secret is stored, a rule's requests are refused.
func (a *app) warnNotStored(name string) {
	store, err := secret.Open(a.home.Secrets())
	if err != nil {
		return // whoever stores it will be told
	}
	if names, err := store.List(); err == nil && !slices.Contains(names, name) {
		a.voice.News("! no secret of that name is stored: until then the request is refused\n  → nemoclaw secret set %s", say.Clean(name))
	}
}

// judge asks the policy what the gate would ask it.
func (as requested) judge(p *policy.Policy, r policy.Request) (explained, error) {
	if as.method == "" && as.path == "" {
		v := p.Judge(r, ownAddresses())
		if v.Reads {
			v.Why += "; say --method and --path to see which"
		}
		return explained{Target: r.Target(), Verdict: v.Action.String(), Rule: v.Rule, Line: v.Line, Why: v.Why}, nil
	}
	method := cmp.Or(as.method, "GET")
	path, err := policy.ParsePath(cmp.Or(as.path, "/"))
	if v := p.Judge(r, ownAddresses()); err != nil && v.Reads { // the gate answers 400, whatever the rules say
		return explained{Target: r.Target(), Verdict: policy.Deny.String(), Rule: v.Rule, Line: v.Line, Why: err.Error(), Method: method, Path: as.path}, nil
	}
	v, cred := p.JudgeHTTP(r, ownAddresses(), method, path)
	e := explained{Target: r.Target(), Verdict: v.Action.String(), Rule: v.Rule, Line: v.Line, Why: v.Why, Method: method, Path: path.String()}
	if cred.Secret != "" {
		e.Credential, e.secret = cred.String(), cred.Secret
	}
	return e, nil
}

// explainCall says what the process wall does with a system call: the same in
// every sandbox, unless its settings allow one of the few that may be.
func (t target) explainCall(name string, asJSON bool) error {
	choice, file := t.choice()
	e := choice.Explain(name)
	a := t.app
	if asJSON {
		return a.voice.JSON(e)
	}
	a.voice.Result("%s %s", e.Verdict, say.Clean(e.Name))
	for _, c := range e.Cases {
		a.voice.Result("but %s", c)
	}
	a.voice.Result("why: %s", e.Why)
	switch {
	case e.Verdict == filter.Refuse.String():
		a.voice.Result("It fails with EPERM, and each attempt is an event that names the program.")
	case e.Verdict == filter.Absent.String() && choice.Audit:
		a.voice.Result("It fails with ENOSYS, and each attempt is an event that names the program (audit_syscalls).")
	case e.Verdict == filter.Absent.String():
		a.voice.Result("It fails with ENOSYS, in silence: walls: {audit_syscalls: true} in %s, then rebuild, makes each attempt an event.", file)
	}
	left, ok := filter.Widenable(name)
	switch {
	case e.Verdict == filter.Allow.String():
	case ok:
		a.voice.Result("May be allowed for one sandbox: walls: {syscalls: [%s]} in %s, then rebuild. What is left: %s", name, file, left)
	default:
		a.voice.Result("No sandbox can be allowed it: that would undo a wall.")
	}
	return nil
}

// choice is the sandbox's own, where one was named or there is only one, and the file
// that it stands in.
func (t target) choice() (c filter.Choice, file string) {
	s, err := t.sandbox()
	if err != nil {
		return c, "its sandbox.yaml"
	}
	file = say.Clean(s.Settings())
	set, err := s.LoadEdited()
	if err != nil {
		return c, file
	}
	return filter.Choice{Allow: set.Walls.Syscalls, Audit: set.Walls.AuditSyscalls}, file
}

// inForce is the policy of the sandbox's file, or the open one where its
// network wall is off.
func (t target) inForce() (*policy.Policy, error) {
	s, err := t.sandbox()
	if err != nil {
		return nil, err
	}
	p, _, err := readPolicy(s)
	if err != nil {
		return nil, err
	}
	if set, err := s.LoadEdited(); err == nil && set.Walls.NetworkOff {
		p = policy.Open()
	}
	return p, nil
}

// request reads HOST[:PORT] as the gate would see it.
func request(text, program string) (policy.Request, error) {
	name, portText := text, "443"
	if h, p, err := net.SplitHostPort(text); err == nil {
		name, portText = h, p
	}
	host, addr, err := policy.ParseTarget(name)
	if err != nil {
		return policy.Request{}, &say.Fault{Err: err, Help: hintOf(err), Code: say.WrongUsage}
	}
	port, err := policy.ParsePort(portText)
	if err != nil {
		return policy.Request{}, &say.Fault{Err: err, Help: "HOST:PORT, a port from 1 to 65535", Code: say.WrongUsage}
	}
	r := policy.Request{Host: host, Addr: addr, Port: port, Time: time.Now()}
	if program != "" {
		r.Program = policy.ProgramAt(program, nil)
	}
	return r, nil
}

func hintOf(err error) string {
	if h, ok := err.(say.Hinter); ok {
		return h.Hint()
	}
	return ""
}

// ownAddresses are those of this machine's interfaces now.
func ownAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap())
		}
	}
	return own
}
