package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/preset"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

func (t target) policyPresetsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "presets",
		Short: "the services whose hosts `policy add --preset` knows",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return t.policyPresets(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

// presetShown is an element of `policy presets --json`.
type presetShown struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Hosts   []string `json:"hosts"`              // HOST:PORT; none where a tool says them
	HostsOf string   `json:"hosts_of,omitempty"` // the tool whose configuration is asked
}

func (t target) policyPresets(asJSON bool) error {
	var all []presetShown
	for _, name := range preset.Names() {
		p, err := preset.Load(name)
		if err != nil {
			return err
		}
		shown := presetShown{Name: name, About: p.About, Hosts: []string{}, HostsOf: p.Tool}
		for _, e := range p.Rules {
			if at := fmt.Sprintf("%s:%d", e.Host, e.Port); !slices.Contains(shown.Hosts, at) {
				shown.Hosts = append(shown.Hosts, at)
			}
		}
		all = append(all, shown)
	}
	if asJSON {
		return t.app.voice.JSON(all)
	}
	w := tabwriter.NewWriter(t.app.voice.Out, 0, 0, 3, ' ', 0)
	for _, p := range all {
		hosts := strings.Join(p.Hosts, " ")
		if p.HostsOf != "" {
			hosts = "as " + p.HostsOf + " is configured on this machine"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.About, hosts)
	}
	return w.Flush()
}

// presetEntries are the rules of the presets, as they are on this machine now.
func (t target) presetEntries(ctx context.Context, names []string) ([]policy.Entry, error) {
	var all []policy.Entry
	for _, name := range names {
		r, err := preset.Resolve(ctx, name)
		if unknown, ok := err.(*preset.Unknown); ok {
			return nil, &say.Fault{Err: err, Help: unknown.Hint(), Code: say.WrongUsage}
		}
		if err != nil {
			return nil, err
		}
		for _, left := range r.Left {
			t.app.voice.News("preset %s: %s", name, left)
		}
		all = append(all, r.Entries...)
	}
	return all, nil
}
