package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) inferenceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "inference",
		Short: "the model calls: their log, and where they go",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(t.inferenceLogCommand(), t.inferenceShowCommand())
	return c
}

func (t target) inferenceShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "inference.yaml, and where calls go",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			inf, text, err := readInference(s)
			if err != nil {
				return err
			}
			t.app.voice.News("%s: %s, revision %s", s.InferenceFile(), say.Clean(modelName(inf.Default())), inf.Revision())
			t.app.voice.Result("%s", say.CleanLines(string(text)))
			return nil
		},
	}
}

func (t target) inferenceLogCommand() *cobra.Command {
	f := bookFlags{lines: 20}
	c := &cobra.Command{
		Use:   "log",
		Short: "the last model calls: what was asked, what came back, how long it took",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			calls := func(e audit.Event) bool { return e.Kind == audit.Inference }
			return t.book(c.Context(), f, calls, t.app.printCall)
		},
	}
	f.register(c)
	return c
}

// printCall is one model call for people.
func (a *app) printCall(e audit.Event) {
	c := e.Call
	if c == nil { // a refusal by the wall, without a call
		a.printEvent(e)
		return
	}
	line := fmt.Sprintf("%s  %d  %s", e.Time.Local().Format(time.DateTime), c.Status, say.Clean(c.Given))
	if c.Asked != "" && !strings.HasSuffix(c.Given, "/"+c.Asked) {
		line += fmt.Sprintf(" (asked for %s)", say.Clean(c.Asked))
	}
	line += fmt.Sprintf("  %d → %d tokens  first after %.0f ms  took %.0f ms", c.TokensIn, c.TokensOut, c.FirstToken, c.Duration)
	a.voice.Result("%s", line)
	for _, part := range []struct{ name, text string }{
		{"prompt", c.Prompt}, {"answer", c.Answer}, {"tools", strings.Join(c.Tools, ", ")}, {"error", c.Error},
	} {
		if part.text != "" {
			a.voice.Result("  %s: %s", part.name, say.Clean(clipped(part.text)))
		}
	}
}

// shownOfText is how much of a prompt or an answer a line shows, in letters.
// The end of a prompt is what was asked last.
const shownOfText = 300

func clipped(s string) string {
	r := []rune(s)
	if len(r) <= shownOfText {
		return s
	}
	return "… " + string(r[len(r)-shownOfText:])
}

// bookFlags say which part of the book is shown.
type bookFlags struct {
	lines  int
	follow bool
	asJSON bool
}

func (f *bookFlags) register(c *cobra.Command) {
	c.Flags().IntVarP(&f.lines, "lines", "n", f.lines, "how many of the last ones")
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "and what comes, until Ctrl-C")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print for programs, one object a line")
}

// book shows the last events of a kind, and with follow those that come.
func (t target) book(ctx context.Context, f bookFlags, keep func(audit.Event) bool, show func(audit.Event)) error {
	if f.lines < 0 {
		return say.Misused("-n 20", "%d lines: not a number of lines", f.lines)
	}
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		_, err := s.Load()
		return err
	}
	if f.asJSON {
		show = func(e audit.Event) { _ = t.app.voice.JSONLine(e) } // an Event always encodes
	}
	if !f.follow {
		_, err := t.app.showLast(s.AuditDir(), f.lines, keep, show)
		return err
	}
	return t.follow(ctx, f.lines, keep, show)
}

// showLast prints the last events on disk, and says how far the book was read.
func (a *app) showLast(dir string, n int, keep func(audit.Event) bool, show func(audit.Event)) (uint64, error) {
	var head uint64
	last, err := audit.Last(dir, n, func(e audit.Event) bool {
		head = max(head, e.Seq)
		return keep(e)
	})
	for _, e := range last {
		show(e)
		head = max(head, e.Seq)
	}
	return head, err
}

// follow subscribes before it reads the book, so that nothing falls between
// the two, and leaves out what came by both roads.
func (t target) follow(ctx context.Context, n int, keep func(audit.Event) bool, show func(audit.Event)) error {
	s, client, err := t.dial(ctx)
	if err != nil {
		return err
	}
	stream, err := client.Events(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	head, err := t.app.showLast(s.AuditDir(), n, keep, show)
	if err != nil {
		return err
	}
	for {
		e, err := stream.Next()
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil // the sandbox's end, or that of the operator's interest
		}
		if err != nil {
			return err
		}
		if (e.Seq == 0 || e.Seq > head) && (keep(e) || e.Kind == audit.Gap) {
			show(e)
		}
	}
}
