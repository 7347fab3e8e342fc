package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

func (t target) policyTestCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "test FILE | test POLICY FILE",
		Short: "hold the policy, or a policy file, to a table of expectations; exit code 1 where one fails",
		Args:  fileWords(t, "FILE", "POLICY FILE"),
		RunE:  func(_ *cobra.Command, args []string) error { return t.policyTest(args, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs: an object a line")
	return c
}

// tried is one line of `policy test --json`.
type tried struct {
	Line    int    `json:"line"`
	Target  string `json:"target"`
	Program string `json:"program,omitempty"`
	Expect  string `json:"expect"`
	Got     string `json:"got"`
	OK      bool   `json:"ok"`
	Rule    string `json:"rule"`
	Why     string `json:"why"`
}

func (t target) policyTest(files []string, asJSON bool) error {
	p, err := t.tested(files)
	if err != nil {
		return err
	}
	table := files[len(files)-1]
	text, err := os.ReadFile(table)
	if err != nil {
		return fmt.Errorf("read expectations: %w", err)
	}
	cases, err := policy.ParseExpectations(filepath.Base(table), text)
	if err != nil {
		return err
	}
	now, own, failed := time.Now(), ownAddresses(), 0
	for _, c := range cases {
		r := tryCase(p, c, c.Judge(p, now, own))
		if !r.OK {
			failed++
		}
		if asJSON {
			err = t.app.voice.JSONLine(r)
		} else {
			t.app.voice.Result("%s", r.line(c.Note))
		}
		if err != nil {
			return err
		}
	}
	if failed > 0 {
		t.app.voice.News("%d of %s failed", failed, say.Count(len(cases), "case"))
		return say.Exit(say.Failed)
	}
	t.app.voice.News("%s, all as expected", say.Count(len(cases), "case"))
	return nil
}

// tested is the policy that is held to the table.
func (t target) tested(files []string) (*policy.Policy, error) {
	if len(files) == 2 {
		return policyFile(files[0])
	}
	return t.inForce()
}

func tryCase(p *policy.Policy, c policy.Expectation, v policy.Verdict) tried {
	target := c.Request.Target()
	if c.Method != "" {
		target = c.Method + " " + target + c.Path.String()
	}
	if c.Address.IsValid() {
		target += " at " + c.Address.String()
	}
	return tried{
		Line: c.Line, Target: target, Program: c.Request.Program.Exe, Expect: c.Want.String(),
		Got: v.Action.String(), OK: v.Action == c.Want, Rule: v.Rule, Why: v.Why,
	}
}

func (r tried) line(note string) string {
	what := r.Target
	if r.Program != "" {
		what += " for " + r.Program
	}
	if note != "" {
		what += " (" + note + ")"
	}
	if r.OK {
		return fmt.Sprintf("ok    %-5s  %s", r.Got, say.Clean(what))
	}
	return fmt.Sprintf("FAIL  %-5s  %s: line %d expects %s: %s", r.Got, say.Clean(what), r.Line, r.Expect, say.Clean(r.Why))
}
