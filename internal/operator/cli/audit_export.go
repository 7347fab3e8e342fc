package cli

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/audit/export"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/version"
)

// exportFlags say what leaves the book, and how.
type exportFlags struct {
	format, since, to, key string
	content                bool
}

func (t target) auditExportCommand() *cobra.Command {
	f := exportFlags{format: "jsonl"}
	c := &cobra.Command{
		Use:   "export",
		Short: "the book for other programs: its own lines, OCSF, or OTLP",
		Long: `export writes the book to stdout, an event a line: jsonl is the book's own form,
with its hashes; ocsf is OCSF 1.3.0; otlp is OpenTelemetry's JSON, a request a
line. With --to otlp is posted to a collector's /v1/logs, and --key names a
stored secret that becomes its Authorization header. ocsf and otlp leave prompts
and answers of the model out unless --content is given.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.auditExport(c.Context(), f) },
	}
	c.Flags().StringVar(&f.format, "format", f.format, "jsonl, ocsf or otlp")
	c.Flags().StringVar(&f.since, "since", "", "only what is younger: 24h, 7d")
	c.Flags().StringVar(&f.to, "to", "", "post otlp to this URL")
	c.Flags().StringVar(&f.key, "key", "", "with --to: the stored secret that the collector wants")
	c.Flags().BoolVar(&f.content, "content", false, "with prompts and answers")
	return c
}

func (t target) auditExport(ctx context.Context, f exportFlags) error {
	from, err := since(f.since)
	if err != nil {
		return err
	}
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	who := export.From{Sandbox: string(s.Name()), Version: version.String, Content: f.content}
	if f.to != "" {
		return t.app.post(ctx, s, from, f, who)
	}
	var form func(audit.Event) any
	switch f.format {
	case "jsonl":
		form = func(e audit.Event) any { return e }
	case "ocsf":
		form = func(e audit.Event) any { return export.OCSF(e, who) }
	case "otlp":
		form = func(e audit.Event) any { return export.OTLP([]audit.Event{e}, who) }
	default:
		return say.Misused("--format jsonl|ocsf|otlp", "export: no form is called %q", f.format)
	}
	return audit.Since(s.AuditDir(), from, func(e audit.Event) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return t.app.voice.JSONLine(form(e))
	})
}

// post sends the events to a collector.
func (a *app) post(ctx context.Context, s state.Sandbox, from time.Time, f exportFlags, who export.From) error {
	if f.format != "otlp" {
		return say.Misused("--format otlp --to URL", "export: only otlp is posted")
	}
	if u, err := url.Parse(f.to); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return say.Misused("--to https://HOST:4318/v1/logs", "export: %q: want an http or https URL, without a password in it", f.to)
	}
	authorization := ""
	if f.key != "" {
		store, err := secret.Open(a.home.Secrets())
		if err != nil {
			return err
		}
		key, err := store.Get(f.key)
		if err != nil {
			return err
		}
		authorization = string(key)
	}
	sender := export.NewSender(f.to, authorization, who)
	err := audit.Since(s.AuditDir(), from, func(e audit.Event) error { return sender.Add(ctx, e) })
	if err == nil {
		err = sender.Flush(ctx)
	}
	a.voice.News("%s sent", say.Count(sender.Sent, "event"))
	return err
}

func (t target) auditPruneCommand() *cobra.Command {
	var older, size string
	c := &cobra.Command{
		Use:   "prune",
		Short: "remove the oldest closed files of the book; what is left stays verifiable",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return t.auditPrune(older, size) },
	}
	c.Flags().StringVar(&older, "older-than", "", "what is older: 90d")
	c.Flags().StringVar(&size, "max", "", "what is over this size: 1GiB")
	return c
}

func (t target) auditPrune(older, size string) error {
	if older == "" && size == "" {
		return say.Misused("--older-than 90d or --max 1GiB", "prune: nothing said that is to go")
	}
	now := time.Now()
	keep := audit.Keep{Needed: today(now)}
	var err error
	if keep.Since, err = since(older); err != nil {
		return err
	}
	if size != "" {
		n, err := humanize.ParseBytes(size)
		if err != nil || n == 0 || n > 1<<60 {
			return say.Misused("--max 1GiB", "prune: %q is no size", size)
		}
		keep.Bytes = int64(n)
	}
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	p, err := audit.Prune(s.AuditDir(), s.Anchor(), keep, now)
	if err != nil {
		return err
	}
	t.app.voice.Result("%s in %s removed, %s; the book begins later, and is whole", say.Count(int(p.Events), "event"), say.Count(p.Segments, "file"), say.Bytes(p.Bytes))
	return nil
}

// today is since when model calls count for a limit: those of the day, in UTC, and
// of the last minute. Without them a restart would begin to count anew.
func today(now time.Time) time.Time {
	day, minute := now.UTC().Truncate(24*time.Hour), now.Add(-time.Minute)
	if minute.Before(day) {
		return minute
	}
	return day
}

// since is the moment that lies text ago: a duration, of days too; zero for "".
func since(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err == nil && (d <= 0 || d > 100*365*24*time.Hour) {
		err = errors.New("out of range")
	}
	if err != nil {
		return time.Time{}, say.Misused("24h, 7d", "%q is no span of time", text)
	}
	return time.Now().Add(-d), nil
}
