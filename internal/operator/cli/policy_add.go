package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/preset"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// defaultPort is the port of a rule that names none: what `policy explain`
// takes, too.
const defaultPort policy.Port = 443

type addFlags struct {
	binaries []string
	note     string
	expires  string
	presets  []string
	dry      bool

	methods, paths []string
	credential     string
}

func (t target) policyAddCommand() *cobra.Command {
	var f addFlags
	c := &cobra.Command{
		Use:   "add HOST[:PORT]… | add --preset NAME",
		Short: "allow a destination from now on: adds a rule to network-policy.yaml; port 443 unless said",
		Args: func(c *cobra.Command, args []string) error {
			if len(f.presets) > 0 {
				return nil
			}
			return someWords("HOST[:PORT], or --preset NAME")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error { return t.policyAdd(c.Context(), args, f) },
	}
	c.Flags().StringArrayVar(&f.binaries, "binary", nil, "for this program alone, a path inside (may be given again)")
	c.Flags().StringSliceVar(&f.methods, "method", nil, `for requests with this method alone (GET, HEAD unless said, "*" for any)`)
	c.Flags().StringArrayVar(&f.paths, "path", nil, `for requests with this path alone, such as "/repos/**" (may be given again)`)
	c.Flags().StringVar(&f.credential, "credential", "", "the stored secret that the gate adds to them, or NAME:FORM")
	c.Flags().StringVar(&f.note, "note", "", "why, for you")
	c.Flags().StringVar(&f.expires, "expires", "", "until this moment, or for this long: 2026-12-31T00:00:00Z, 2026-12-31, 12h, 7d")
	c.Flags().StringArrayVar(&f.presets, "preset", nil, "the hosts of a service: see policy presets (may be given again)")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be added, and add nothing")
	_ = c.RegisterFlagCompletionFunc("preset", cobra.FixedCompletions(preset.Names(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (t target) policyAdd(ctx context.Context, args []string, f addFlags) error {
	expires, err := parseExpiry(f.expires, time.Now())
	if err != nil {
		return err
	}
	entries, err := entries(args)
	if err != nil {
		return err
	}
	if err := f.narrow(entries); err != nil {
		return err
	}
	ready, err := t.presetEntries(ctx, f.presets)
	if err != nil {
		return err
	}
	entries = append(entries, ready...)
	for i := range entries {
		e := &entries[i]
		e.Expires = expires
		if len(f.binaries) > 0 { // else those of the preset
			e.Binaries = f.binaries
		}
		if e.Note == "" || f.note != "" {
			e.Note = f.note
		}
		if e.Port == 0 {
			e.Port = defaultPort
		}
	}
	return t.editPolicy(ctx, entries, policy.AddRule, f.dry)
}

// narrow makes the entries rules for certain requests, where that was said.
// Presets say it themselves.
func (f addFlags) narrow(entries []policy.Entry) error {
	if len(f.methods)+len(f.paths) == 0 && f.credential == "" {
		return nil
	}
	if len(entries) == 0 {
		return say.Misused("policy add HOST --path /repos/**", "--method, --path and --credential go with a HOST: a preset has its own")
	}
	for i := range entries {
		if err := entries[i].Narrow(f.methods, f.paths, f.credential); err != nil {
			return wrongEntry(err)
		}
	}
	return nil
}

// parseExpiry reads a moment, a day (its end, in local time) or a duration. The
// zero time is never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	const want = "--expires 2026-12-31T00:00:00Z, 2026-12-31, 12h or 7d"
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		if at, err = time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
			at = at.AddDate(0, 0, 1)
		}
	}
	if err != nil {
		span, bad := parseSpan(text)
		if bad != nil {
			return time.Time{}, say.Misused(want, "--expires %q: neither a moment nor a duration", text)
		}
		at = now.Add(span)
	}
	at = at.UTC().Truncate(time.Second)
	if !at.After(now) {
		return time.Time{}, say.Misused(want, "--expires %s: that is over already", text)
	}
	return at, nil
}

// parseSpan is a Go duration, or days: 7d.
func parseSpan(text string) (time.Duration, error) {
	days, found := strings.CutSuffix(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	return time.Duration(n) * 24 * time.Hour, err
}
