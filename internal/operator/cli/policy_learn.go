package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) policyLearnCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "learn",
		Short: "record what is asked for, and write the smallest policy that would have allowed it, for review",
		Long: `learn start marks a place in the book; learn stop reads what was asked for since
and writes the smallest policy that would have allowed it, with the very hosts,
ports and programs, to a file for you to look at.

Nothing is let through meanwhile that the policy does not allow, and what is
written is never in force by itself.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var output string
	var asJSON bool
	stop := &cobra.Command{
		Use:   "stop",
		Short: "write the policy and say what it would newly allow",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return t.learnStop(output, asJSON) },
	}
	stop.Flags().StringVarP(&output, "output", "o", "", "where to write it (default: learned-policy.yaml beside the policy)")
	stop.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	c.AddCommand(&cobra.Command{
		Use:   "start",
		Short: "record from now on; nothing more is allowed than before",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return t.learnStart() },
	}, stop)
	return c
}

// mark is the place in the book where recording began.
type mark struct {
	Version int       `json:"v"`
	After   uint64    `json:"after"` // Seq of the last event before
	Some    bool      `json:"some"`  // there was one
	Since   time.Time `json:"since"`
}

func (t target) learnStart() error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	if old, err := readMark(s); err == nil {
		return say.Failing("nemoclaw "+t.word()+" policy learn stop", "policy learn: it records already, since %s", old.Since.Local().Format(time.DateTime))
	}
	if _, err := readMark(s); !errors.Is(err, fs.ErrNotExist) {
		return err // damaged, or of a later nemoclaw: not ours to write over
	}
	m := mark{Version: markVersion, Since: time.Now().UTC().Truncate(time.Second)}
	last, err := audit.Last(s.AuditDir(), 1, func(audit.Event) bool { return true })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(last) == 1 {
		m.After, m.Some = last[0].Seq, true
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := state.WriteDurable(s.LearnFile(), append(text, '\n'), 0o600); err != nil {
		return err
	}
	t.app.voice.Result("Recording what %s asks for. Nothing more is allowed than before.", s.Name())
	t.app.voice.News("→ nemoclaw %s policy learn stop", t.word())
	return nil
}

// markVersion is the form of a mark that this program writes.
const markVersion = 1

func readMark(s state.Sandbox) (m mark, err error) {
	err = state.ReadState(s.LearnFile(), markVersion, &m)
	return m, err
}

// learnedOut is `policy learn stop --json`.
type learnedOut struct {
	File     string    `json:"file"`
	Since    time.Time `json:"since"`
	Requests int       `json:"requests"` // different ones
	Left     []leftOut `json:"left"`
	Diff     diffed    `json:"diff"`
}

type leftOut struct {
	Target  string `json:"target"`
	Program string `json:"program"`
	Why     string `json:"why"`
}

func (t target) learnStop(output string, asJSON bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	m, err := readMark(s)
	if errors.Is(err, fs.ErrNotExist) {
		return say.Failing("nemoclaw "+t.word()+" policy learn start", "policy learn: it records nothing")
	}
	if err != nil {
		return err
	}
	p, _, err := readPolicy(s)
	if err != nil {
		return err
	}
	out := learnedOut{File: cmp.Or(output, s.LearnedFile()), Since: m.Since}
	next, err := learn(s, m, p, &out)
	if err != nil {
		return err
	}
	if err := os.Remove(s.LearnFile()); err != nil {
		return fmt.Errorf("end the recording: %w", err)
	}
	d := policy.Compare(p, next)
	out.Diff = diffOf(d)
	return t.printLearned(out, d, asJSON)
}

// learn writes out.File, and says in out what is in it.
func learn(s state.Sandbox, m mark, p *policy.Policy, out *learnedOut) (*policy.Policy, error) {
	r, err := recorded(s.AuditDir(), m)
	if err != nil {
		return nil, err
	}
	got, err := policy.Learn(p, r.seen(), time.Now())
	if err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, "# What %s asked for since %s: for review, not in force.\n", s.Name(), m.Since.Format(time.RFC3339))
	if err := state.WriteDurable(out.File, append(text, got.Text...), 0o600); err != nil {
		return nil, err
	}
	out.Requests, out.Left = len(r.order), r.leftOut(got.Left)
	return policy.Parse(filepath.Base(out.File), append(text, got.Text...))
}

func (t target) printLearned(l learnedOut, d policy.Diff, asJSON bool) error {
	if asJSON {
		return t.app.voice.JSON(l)
	}
	for _, o := range l.Left {
		t.app.voice.Result("! left out: %s for %s: %s", say.Clean(o.Target), say.Clean(o.Program), say.Clean(o.Why))
	}
	if err := t.printDiff(d); err != nil {
		return err
	}
	t.app.voice.News("%s, written to %s, which is not in force.", say.Count(l.Requests, "different request"), l.File)
	t.app.voice.News("→ nemoclaw %s policy diff %s shows this again; to use it, copy its rules into %s", t.word(), l.File, "network-policy.yaml")
	return nil
}

// mostLearned bounds what a program that asks for names at random can make of
// a policy.
const mostLearned = 1000

// record is what the book says was asked for.
type record struct {
	order []string
	by    map[string]*policy.Seen
	left  []leftOut
	more  int // beyond mostLearned, or counted in a flood
}

// recorded reads the book behind a mark.
func recorded(dir string, m mark) (*record, error) {
	r := &record{by: map[string]*policy.Seen{}}
	err := audit.Read(dir, func(e audit.Event) error {
		asked := e.Kind == audit.Network || e.Kind == audit.Approval && e.Verdict == "ask"
		if asked && (!m.Some || e.Seq > m.After) {
			r.take(e)
		}
		return nil
	})
	return r, err
}

// take adds one event. A question is followed by the verdict on its connection,
// and counts only where that is still to come.
func (r *record) take(e audit.Event) {
	host, port, err := policy.ParseDestination(e.Target)
	request := policy.Request{Port: port}
	if err == nil {
		request.Host, request.Addr, err = policy.ParseTarget(host)
	}
	switch {
	case e.Target == "several":
		r.more += max(1, e.Count)
		return
	case err != nil || port == 0: // of another protocol than TCP
		r.skip(leftOut{e.Target, e.Program, cmp.Or(e.Why, "no connection")})
		return
	}
	if e.Method != "" && e.Verdict == "deny" { // the rule for its host stays as narrow as it is
		r.skip(leftOut{e.Method + " " + e.Target + e.Path, e.Program, e.Why})
	}
	if e.Program != "unknown" {
		request.Program = policy.ProgramAt(e.Program, nil)
	}
	key := e.Target + "\x00" + e.Program
	s := r.by[key]
	if s == nil {
		if len(r.order) == mostLearned {
			r.more++
			return
		}
		s = &policy.Seen{Request: request}
		r.by[key], r.order = s, append(r.order, key)
	}
	if e.Kind == audit.Network {
		s.Count += max(1, e.Count)
	}
}

func (r *record) skip(l leftOut) {
	for _, o := range r.left {
		if o == l {
			return
		}
	}
	if len(r.left) < mostLearned {
		r.left = append(r.left, l)
	}
}

func (r *record) seen() []policy.Seen {
	all := make([]policy.Seen, 0, len(r.order))
	for _, key := range r.order {
		all = append(all, *r.by[key])
	}
	policy.SortSeen(all)
	return all
}

// leftOut is all that the policy does not say.
func (r *record) leftOut(left []policy.Left) []leftOut {
	out := r.left
	for _, l := range left {
		out = append(out, leftOut{l.Request.Target(), cmp.Or(l.Request.Program.Exe, "unknown"), l.Why})
	}
	if r.more > 0 {
		out = append(out, leftOut{"several", "several", fmt.Sprintf("%d more requests, too many to be told apart", r.more)})
	}
	if out == nil {
		out = []leftOut{}
	}
	return out
}
