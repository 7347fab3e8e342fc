package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/spf13/cobra"
	"pault.ag/go/debian/control"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/debian"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

// debianKeys is where Debian, and systems made of it, keep the keys that sign
// its suites: package debian-archive-keyring.
const debianKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

func (a *app) blueprintLockCommand() *cobra.Command {
	var keys string
	c := &cobra.Command{
		Use:   "lock DIR",
		Short: "choose the Debian packages of the recipe in DIR anew, and pin each by its SHA-256",
		Args:  words("DIR"),
		RunE:  func(c *cobra.Command, args []string) error { return a.blueprintLock(c.Context(), args[0], keys) },
	}
	c.Flags().StringVar(&keys, "keyring", debianKeys, "the keys that sign Debian's suites")
	return c
}

// blueprintLock writes the lock of a recipe.
func (a *app) blueprintLock(ctx context.Context, dir, keys string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer root.Close()
	want, err := blueprint.WantedOfDebian(root.FS())
	if err != nil {
		return err
	}
	file, err := os.ReadFile(keys)
	if err != nil {
		return &say.Fault{Err: fmt.Errorf("lock: %w", err), Help: "install debian-archive-keyring, or name its file: --keyring FILE"}
	}
	keyring, err := openpgp.ReadKeyRing(bytes.NewReader(file))
	if err != nil {
		return fmt.Errorf("lock: read keyring %s: %w", keys, err)
	}
	mirrors, err := registry.FindMirrors(nil)
	if err != nil {
		return err
	}
	lock := blueprint.DebianLock{Packages: map[string][]blueprint.Deb{}}
	indexes, err := fetchIndexes(ctx, mirrors, want, keyring)
	if err != nil {
		return err
	}
	var bytes int64
	for _, architecture := range want.Architectures {
		chosen, err := debian.Choose(indexes[architecture], want.Want, want.Without)
		if err != nil {
			return err
		}
		lock.Packages[architecture] = chosen
		bytes = 0
		for _, d := range chosen {
			bytes += d.Size
		}
		a.voice.News("%s: %s, %s to download (%d)", architecture, say.Count(len(chosen), "package"), say.Bytes(bytes), bytes)
	}
	text, err := blueprint.EncodeDebianLock(lock)
	if err != nil {
		return err
	}
	if err := root.WriteFile(want.Lock, text, 0o644); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	a.voice.Result("%s", blueprint.Sum(text))
	return nil
}

// fetchIndexes are the packages of each architecture in all suites.
func fetchIndexes(ctx context.Context, mirrors *registry.Mirrors, want blueprint.Wanted, keyring openpgp.EntityList) (map[string][]control.BinaryIndex, error) {
	out := map[string][]control.BinaryIndex{}
	for _, name := range want.Suites {
		signed, err := fetchWhole(ctx, mirrors, path.Join("dists", name, "InRelease"))
		if err != nil {
			return nil, err
		}
		suite, err := debian.OpenSuite(name, signed, keyring)
		if err != nil {
			return nil, err
		}
		for _, architecture := range want.Architectures {
			packed, err := fetchWhole(ctx, mirrors, path.Join("dists", name, debian.IndexName(architecture)))
			if err != nil {
				return nil, err
			}
			more, err := suite.Index(architecture, packed)
			if err != nil {
				return nil, err
			}
			out[architecture] = append(out[architecture], more...)
		}
	}
	return out, nil
}

// mostIndex bounds what a mirror may answer.
const mostIndex = 128 << 20

func fetchWhole(ctx context.Context, mirrors *registry.Mirrors, name string) ([]byte, error) {
	got, err := mirrors.Deb(ctx, name, name, 0)
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, mostIndex+1))
	if err == nil && len(body) > mostIndex {
		err = fmt.Errorf("more than %d bytes", mostIndex)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	return body, nil
}
