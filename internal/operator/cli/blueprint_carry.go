package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/carry"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (a *app) blueprintPullCommand() *cobra.Command {
	var unsigned, downgrade bool
	var digest string
	c := &cobra.Command{
		Use:   "pull HOST/NAME:TAG | ./FOLDER:TAG | ./FILE.tar:TAG",
		Short: "take a blueprint from a registry, a folder or a tarball; it must be signed by a trusted publisher",
		Args:  words("PLACE"),
		RunE: func(c *cobra.Command, args []string) error {
			w := carry.Wish{Unsigned: unsigned}
			if downgrade {
				w.Accept = store.Any
			}
			return a.blueprintPull(c.Context(), args[0], digest, w)
		},
	}
	c.Flags().BoolVar(&unsigned, "unsigned", false, "take it without a signature that counts")
	c.Flags().BoolVar(&downgrade, "downgrade", false, "take an older version, or other bytes of one that is here")
	c.Flags().StringVar(&digest, "digest", "", "sha256:HEX that it must have, whatever the tag means")
	return c
}

func (a *app) blueprintPull(ctx context.Context, text, digest string, w carry.Wish) (err error) {
	if digest != "" {
		if w.Digest, err = blueprint.ParseDigest(digest); err != nil {
			return &say.Fault{Err: err, Code: say.WrongUsage}
		}
	}
	if w.Trusted, err = a.publishers(); err != nil {
		return err
	}
	from, err := carry.Open(ctx, text, false)
	if err != nil {
		return misplaced(err)
	}
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return err
	}
	p, err := carry.Pull(ctx, blueprints, from, w)
	if err != nil {
		return err
	}
	by := "unsigned, taken as it is"
	if len(p.Signers) > 0 {
		by = "signed by " + strings.Join(p.Signers, ", ")
	}
	a.voice.News("%s: %s", say.Clean(p.Artifact.Manifest.Ref().String()), say.Clean(by))
	a.voice.Result("%s", p.Artifact.Digest)
	return nil
}

func misplaced(err error) error { return &say.Fault{Err: err, Help: hintOf(err), Code: say.WrongUsage} }

func (a *app) blueprintPushCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "push NAME@VERSION HOST/NAME[:TAG] | ./FOLDER",
		Short: "bring a blueprint, and its signature, to a registry or a folder",
		Args:  words("NAME@VERSION", "PLACE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.blueprintPush(c.Context(), args[0], args[1])
		},
	}
}

func (a *app) blueprintPush(ctx context.Context, ref, text string) error {
	blueprints, info, err := a.found(ref)
	if err != nil {
		return err
	}
	signed, err := blueprints.Signature(info.Digest)
	if err != nil {
		return err
	}
	to, err := carry.Open(ctx, text, true)
	if err != nil {
		return misplaced(err)
	}
	whole, err := blueprints.Whole(info.Artifact)
	if err != nil {
		return err
	}
	if err := carry.Push(ctx, whole, signed, to); err != nil {
		return err
	}
	if signed == nil {
		a.voice.News("! %s is not signed: nemoclaw blueprint sign %s", say.Clean(info.Manifest.Ref().String()), say.Clean(info.Manifest.Ref().String()))
	}
	a.voice.Result("%s", info.Digest)
	return nil
}

// found is the blueprint that a word of the command line means.
func (a *app) found(text string) (*store.Store, store.Info, error) {
	ref, err := blueprint.ParseRef(text, "")
	if err != nil {
		return nil, store.Info{}, &say.Fault{Err: err, Help: "nemoclaw blueprint list", Code: say.WrongUsage}
	}
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return nil, store.Info{}, err
	}
	info, err := blueprints.Inspect(ref)
	return blueprints, info, err
}

func (a *app) blueprintVerifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify NAME@VERSION",
		Short: "read all of a blueprint again, and say who signed it",
		Args:  words("NAME@VERSION"),
		RunE:  func(c *cobra.Command, args []string) error { return a.blueprintVerify(c.Context(), args[0], asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	return c
}

// verified is `blueprint verify --json`.
type verified struct {
	Blueprint string           `json:"blueprint"`
	Digest    blueprint.Digest `json:"digest"`
	Signers   []string         `json:"signers"`
	Builtin   bool             `json:"builtin"`
	Unpacked  bool             `json:"unpacked"` // and every file of it was read
	Why       string           `json:"why,omitempty"`
}

func (a *app) blueprintVerify(ctx context.Context, text string, asJSON bool) error {
	blueprints, info, err := a.found(text)
	if err != nil {
		return err
	}
	out := verified{Blueprint: info.Manifest.Ref().String(), Digest: info.Digest, Builtin: info.Builtin, Signers: []string{}}
	if out.Unpacked, err = blueprints.Reread(ctx, info.Manifest, info.Digest); err != nil {
		return err
	}
	signed, err := blueprints.Signature(info.Digest)
	if err != nil {
		return err
	}
	trusted, err := a.publishers()
	if err != nil {
		return err
	}
	who, untrusted := blueprint.Signers(info.Artifact, signed, trusted)
	if untrusted != nil {
		out.Why = untrusted.Error()
	}
	out.Signers = append(out.Signers, who...)
	if asJSON {
		if err := a.voice.JSON(out); err != nil {
			return err
		}
	} else {
		a.printVerified(out)
	}
	if untrusted != nil && !info.Builtin {
		return untrusted
	}
	return nil
}

func (a *app) printVerified(v verified) {
	a.voice.Result("Blueprint %s", say.Clean(v.Blueprint))
	a.voice.Result("Digest %s (verified)", v.Digest)
	what := "not unpacked here yet; it is checked when it is"
	if v.Unpacked {
		what = "every file was read and is the one that was unpacked"
	}
	a.voice.Result("Content: %s", what)
	for _, s := range v.Signers {
		a.voice.Result("Signed by %s", say.Clean(s))
	}
	if v.Builtin {
		a.voice.Result("Built in: it came with this nemoclaw, and is as good as that is")
	}
}
