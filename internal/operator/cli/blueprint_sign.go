package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// publishers are those that the file of trusted ones names.
func (a *app) publishers() ([]blueprint.Publisher, error) {
	text, err := os.ReadFile(a.home.Publishers())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read publishers: %w", err)
	}
	all, err := blueprint.ParsePublishers(text)
	if err != nil {
		return nil, say.Failing("mend "+a.home.Publishers(), "%w", err)
	}
	return all, nil
}

func (a *app) blueprintTrustCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trust KEY [NAME…]",
		Short: "take blueprints that this publisher has signed; with names, only those",
		Args:  someWords("KEY"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.blueprintTrust(args) },
	}
}

func (a *app) blueprintTrust(words []string) error {
	line := strings.Join(words, " ")
	one, err := blueprint.ParsePublishers([]byte(line))
	if err != nil || len(one) != 1 {
		return &say.Fault{Err: errors.Join(err, emptyKey(one)), Help: "NAME+HASH+BASE64, as `nemoclaw blueprint key` prints it", Code: say.WrongUsage}
	}
	file := a.home.Publishers()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(text) == 0 {
		text = []byte("# Publishers whose blueprints are taken: KEY, and the names of blueprints it is good for.\n")
	}
	if err := state.WriteDurable(file, append(text, line+"\n"...), 0o600); err != nil {
		return err
	}
	a.voice.Result("%s is trusted", say.Clean(one[0].Name))
	return nil
}

func emptyKey(all []blueprint.Publisher) error {
	if len(all) == 1 {
		return nil
	}
	return errors.New("trust: want one key")
}

// keySecret is the secret that the operator's own signing key is kept as.
const keySecret = "blueprint-key"

func (a *app) blueprintKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key [NAME]",
		Short: "print the public key that you sign with; with a name, make one",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return a.blueprintKey(args) },
	}
}

func (a *app) blueprintKey(args []string) error {
	secrets, err := secret.Open(a.home.Secrets())
	if err != nil {
		return err
	}
	if len(args) == 0 {
		key, err := signingKey(secrets)
		if err != nil {
			return err
		}
		public, err := blueprint.PublicKey(key)
		if err == nil {
			a.voice.Result("%s", public)
		}
		return err
	}
	if _, err := signingKey(secrets); err == nil {
		return say.Failing("nemoclaw secret remove "+keySecret, "make a key: there is one")
	}
	private, public, err := note.GenerateKey(rand.Reader, args[0])
	if err != nil {
		return &say.Fault{Err: fmt.Errorf("make a key: %w", err), Help: "a name without blanks and +, like example.org", Code: say.WrongUsage}
	}
	if err := secrets.Set(keySecret, []byte(private)); err != nil {
		return err
	}
	a.voice.News("The key is stored as the secret %s. Others trust it with: nemoclaw blueprint trust KEY", keySecret)
	a.voice.Result("%s", public)
	return nil
}

func signingKey(secrets *secret.Store) (string, error) {
	key, err := secrets.Get(keySecret)
	if err != nil {
		return "", say.Failing("nemoclaw blueprint key example.org", "sign: %w", err)
	}
	return string(key), nil
}

func (a *app) blueprintSignCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sign NAME@VERSION",
		Short: "sign a blueprint with your key",
		Args:  words("NAME@VERSION"),
		RunE: func(c *cobra.Command, args []string) error {
			blueprints, info, err := a.found(args[0])
			if err != nil {
				return err
			}
			secrets, err := secret.Open(a.home.Secrets())
			if err != nil {
				return err
			}
			key, err := signingKey(secrets)
			if err != nil {
				return err
			}
			text, err := blueprint.Sign(info.Artifact, key)
			if err != nil {
				return err
			}
			if err := blueprints.KeepSignature(c.Context(), info.Digest, text); err != nil {
				return err
			}
			a.voice.Result("%s %s signed", say.Clean(info.Manifest.Ref().String()), info.Digest)
			return nil
		},
	}
}
