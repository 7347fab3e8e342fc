package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) policyRemoveCommand() *cobra.Command {
	var denied bool
	c := &cobra.Command{
		Use:   "remove HOST[:PORT]…",
		Short: "take its rule out of network-policy.yaml; without a port, all of its rules",
		Args:  someWords("HOST[:PORT]"),
		RunE:  func(c *cobra.Command, args []string) error { return t.policyRemove(c.Context(), args, denied) },
	}
	c.Flags().BoolVar(&denied, "deny", false, "take out its deny rules, not those that allow it")
	c.ValidArgsFunction = t.completeRules(&denied)
	return c
}

func (t target) policyDenyCommand() *cobra.Command {
	var note string
	c := &cobra.Command{
		Use:   "deny HOST[:PORT]…",
		Short: "refuse a destination without asking, whatever else allows it; without a port, every port",
		Args:  someWords("HOST[:PORT]"),
		RunE:  func(c *cobra.Command, args []string) error { return t.policyDeny(c.Context(), args, note) },
	}
	c.Flags().StringVar(&note, "note", "", "why; the verdict shows it")
	return c
}

func (t target) policyRemove(ctx context.Context, args []string, denied bool) error {
	entries, err := entries(args)
	if err != nil {
		return err
	}
	edit := policy.RemoveRule
	if denied {
		edit = policy.RemoveDeny
	}
	return t.editPolicy(ctx, entries, edit, false)
}

func (t target) policyDeny(ctx context.Context, args []string, note string) error {
	entries, err := entries(args)
	if err != nil {
		return err
	}
	for i := range entries {
		entries[i].Note = note
	}
	return t.editPolicy(ctx, entries, policy.AddDeny, false)
}

// entries reads destinations.
func entries(args []string) ([]policy.Entry, error) {
	out := make([]policy.Entry, len(args))
	for i, text := range args {
		host, port, err := policy.ParseDestination(text)
		if err != nil {
			return nil, &say.Fault{Err: err, Help: "HOST:PORT, a port from 1 to 65535", Code: say.WrongUsage}
		}
		out[i] = policy.Entry{Host: host, Port: port}
	}
	return out, nil
}

// editPolicy changes network-policy.yaml as a text editor would, comments and
// order kept: all of the entries, or none. It puts the file in force by the
// road of a hand edit and says what changed; a dry run only says it.
func (t target) editPolicy(ctx context.Context, entries []policy.Entry, edit func([]byte, policy.Entry) ([]byte, error), dry bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	var before, after *policy.Policy
	err = state.EditDurable(s.PolicyFile(), 0o600, func(text []byte) ([]byte, error) {
		if before, err = policy.Parse(s.PolicyFile(), text); err != nil {
			return nil, err
		}
		edited := text
		for _, e := range entries {
			if edited, err = edit(edited, e); err != nil {
				return nil, wrongEntry(err)
			}
		}
		after, err = policy.Parse(s.PolicyFile(), edited)
		if dry {
			return text, err
		}
		return edited, err
	})
	if err != nil {
		return err
	}
	t.printEdit(before, after)
	t.warnShadowed(entries, after)
	t.nameLoopback(entries, after)
	if dry {
		t.app.voice.News("Dry run: nothing was written.")
		return nil
	}
	if set, err := s.LoadEdited(); err == nil && set.Walls.NetworkOff {
		t.app.voice.News("! the network wall of %s is off (operator): the file is not in force", s.Name())
		return nil
	}
	if before.Revision() == after.Revision() {
		return nil
	}
	return t.reloadPolicy(ctx)
}

// wrongEntry gives what was typed wrong its exit code.
func wrongEntry(err error) error {
	switch err.(type) {
	case *policy.BadHost, *policy.BadPort, *policy.BadProgram, *policy.BadNarrowing:
		return &say.Fault{Err: err, Help: hintOf(err), Code: say.WrongUsage}
	}
	return err
}

// printEdit says which rules are gone, and which are new.
func (t target) printEdit(before, after *policy.Policy) {
	was, is := before.List(), after.List()
	gone, came := missingIn(is, was), missingIn(was, is)
	for _, r := range gone {
		t.app.voice.Result("- %s", say.Clean(r.String()))
	}
	for _, r := range came {
		t.app.voice.Result("+ %s", say.Clean(r.String()))
	}
	if len(gone)+len(came) == 0 {
		t.app.voice.News("Nothing to change: the policy says so already.")
	}
}

// missingIn gives the rules of b that a does not have.
func missingIn(a, b []policy.Rule) []policy.Rule {
	var out []policy.Rule
	for _, r := range b {
		if !slices.ContainsFunc(a, r.Equal) {
			out = append(out, r)
		}
	}
	return out
}

// warnShadowed: a rule that allows what another one denies does nothing.
func (t target) warnShadowed(entries []policy.Entry, after *policy.Policy) {
	for _, e := range entries {
		host, addr, err := policy.ParseTarget(e.Host)
		if err != nil || e.Port == 0 {
			continue // a pattern, of which a part may be denied on purpose
		}
		r := policy.Request{Host: host, Addr: addr, Port: e.Port}
		v, denied := after.Denies(r)
		if denied && allows(after, e) {
			t.app.voice.News("! %s stays refused: line %d denies it\n  → nemoclaw %s policy remove --deny %s", say.Clean(r.Target()), v.Line, t.word(), say.Clean(e.Host))
		}
	}
}

// nameLoopback says how the host's loopback is called inside, where its own
// names mean the sandbox.
func (t target) nameLoopback(entries []policy.Entry, after *policy.Policy) {
	for _, e := range entries {
		host, addr, err := policy.ParseTarget(e.Host)
		inside := addr.IsLoopback() || host == "localhost"
		if err == nil && inside && allows(after, e) {
			t.app.voice.News("→ from inside it is host.nemoclaw.internal:%d: there, %s is the sandbox itself", e.Port, say.Clean(e.Host))
		}
	}
}

// allows says whether some egress rule has the entry's host.
func allows(p *policy.Policy, e policy.Entry) bool {
	return slices.ContainsFunc(p.List(), func(r policy.Rule) bool {
		return r.Action == policy.Allow && strings.EqualFold(r.Host, e.Host) && slices.Contains(r.Ports, e.Port)
	})
}

// word is the sandbox's name in a command that is shown.
func (t target) word() string {
	s, err := t.sandbox()
	if err != nil {
		return "NAME"
	}
	return string(s.Name())
}

// completeRules offers the hosts that have a rule.
func (t target) completeRules(denied *bool) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		s, err := t.sandbox()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		p, _, err := readPolicy(s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var hosts []string
		for _, r := range p.List() {
			if (r.Action == policy.Deny) == *denied {
				hosts = append(hosts, r.Host+"\t"+say.Clean(r.Note))
			}
		}
		return hosts, cobra.ShellCompDirectiveNoFileComp
	}
}
