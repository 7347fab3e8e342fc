package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/sbom"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

func (a *app) blueprintDiffCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "in what two blueprints differ: files, packages, policies",
		Args:  words("A", "B"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.blueprintDiff(args[0], args[1], asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

func (a *app) blueprintSBOMCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sbom NAME@VERSION",
		Short: "print its bill of materials, as CycloneDX JSON",
		Args:  words("NAME@VERSION"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, info, err := a.found(args[0])
			if err != nil {
				return err
			}
			text, err := sbom.Of(info.Artifact)
			if err == nil {
				a.voice.Result("%s", strings.TrimSuffix(string(text), "\n"))
			}
			return err
		},
	}
}

// differing is `blueprint diff --json`.
type differing struct {
	From      string            `json:"from"`
	To        string            `json:"to"`
	Things    []blueprint.Delta `json:"things"`
	Policy    diffed            `json:"policy"`    // of the default network policies
	Inference bool              `json:"inference"` // whether the default inference.yaml is another
}

func (a *app) blueprintDiff(from, to string, asJSON bool) error {
	_, older, err := a.found(from)
	if err != nil {
		return err
	}
	_, newer, err := a.found(to)
	if err != nil {
		return err
	}
	things, err := blueprint.Differences(older.Artifact, newer.Artifact)
	if err != nil {
		return err
	}
	rules, err := compareDefaults(older, newer)
	if err != nil {
		return err
	}
	inference := older.Manifest.Policies.Inference.Digest != newer.Manifest.Policies.Inference.Digest
	if asJSON {
		return a.voice.JSON(differing{older.Manifest.Ref().String(), newer.Manifest.Ref().String(), append([]blueprint.Delta{}, things...), diffOf(rules), inference})
	}
	if len(things) == 0 && rules.Empty() && !inference {
		a.voice.News("No difference in what they contain.")
		return nil
	}
	if err := a.printThings(things); err != nil {
		return err
	}
	if !rules.Empty() {
		a.voice.Result("Default network policy:")
		if err := a.printChanges(rules); err != nil {
			return err
		}
	}
	if inference {
		a.voice.Result("Default inference.yaml: another")
	}
	return nil
}

func compareDefaults(older, newer store.Info) (policy.Diff, error) {
	var both [2]*policy.Policy
	for i, info := range []store.Info{older, newer} {
		p, err := policy.Parse(info.Manifest.Ref().String(), info.Artifact.Bytes(info.Manifest.Policies.Network))
		if err != nil {
			return policy.Diff{}, err
		}
		both[i] = p
	}
	return policy.Compare(both[0], both[1]), nil
}

func (a *app) printThings(all []blueprint.Delta) error {
	w := tabwriter.NewWriter(a.voice.Out, 0, 0, 2, ' ', 0)
	for _, d := range all {
		switch {
		case d.Was == "":
			_, _ = fmt.Fprintf(w, "+ %s\t%s\n", say.Clean(d.What), say.Clean(d.Is))
		case d.Is == "":
			_, _ = fmt.Fprintf(w, "- %s\t%s\n", say.Clean(d.What), say.Clean(d.Was))
		default:
			_, _ = fmt.Fprintf(w, "~ %s\t%s → %s\n", say.Clean(d.What), say.Clean(d.Was), say.Clean(d.Is))
		}
	}
	return w.Flush()
}
