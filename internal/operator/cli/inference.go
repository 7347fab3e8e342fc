package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) inferenceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "inference",
		Short: "the model calls: their log, what they cost, and where they go",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(t.inferenceLogCommand(), t.inferenceStatsCommand(), t.inferenceShowCommand())
	return c
}

func (t target) inferenceShowCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "the inference policy that is in force, with its defaults",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.inferenceShow(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

// inferenceShow asks the supervisor: the file may be another, or broken.
func (t target) inferenceShow(ctx context.Context, asJSON bool) error {
	s, client, err := t.dial(ctx)
	var in control.InferencePolicy
	switch {
	case errors.As(err, new(*driver.NotRunning)):
		inf, _, err := readInference(s)
		if err != nil {
			return err
		}
		in = control.InferencePolicy{Revision: inf.Revision(), Text: string(inf.Format())}
		t.app.voice.News("%s is not running: this is what its file says", s.Name())
	case err != nil:
		return err
	default:
		if in, err = client.Inference(ctx); err != nil {
			return err
		}
	}
	if asJSON {
		return t.app.voice.JSON(in)
	}
	t.app.voice.News("%s, revision %s", s.InferenceFile(), in.Revision)
	if in.Error != "" {
		t.app.voice.News("the file on disk is not in force: %s", say.CleanLines(in.Error))
	}
	t.app.voice.Result("%s", trimmedEnd(say.CleanLines(in.Text)))
	return nil
}

// bookFlags say which part of the book is shown.
type bookFlags struct {
	lines  int
	since  time.Duration // 0: from the beginning
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
	if f.since > 0 {
		from, all := time.Now().Add(-f.since), keep
		keep = func(e audit.Event) bool { return !e.Time.Before(from) && all(e) }
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

func trimmedEnd(s string) string { return strings.TrimRight(s, "\n") }
