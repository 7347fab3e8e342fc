package change

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Seeds is what becomes of the files that the new version would lay into a new
// workspace. One that is missing is laid down, one that is still what the older
// version laid down becomes the newer's. What somebody has changed stays, and
// what the versions changed about it is shown.
type Seeds struct {
	New   []string // paths inside
	Newer []string
	Kept  []KeptSeed

	files []snapshot.Laid
}

// KeptSeed is a file that stays as it is.
type KeptSeed struct {
	Path string
	Diff string // from the older version's to the newer's, unified; "" where they are the same
	Why  string // why it could not be looked at, where that is so
}

// seeds compares the workspace with what both versions lay down.
func seeds(s state.Sandbox, set state.Settings, from, to blueprint.Artifact) (Seeds, error) {
	values, err := valuesOf(s)
	if err != nil {
		return Seeds{}, err
	}
	older := map[string]blueprint.Seed{}
	for _, seed := range from.Manifest.Seeds {
		older[seed.Path] = seed
	}
	var out Seeds
	for _, seed := range to.Manifest.Seeds {
		is, err := to.Seed(seed, values)
		if err != nil {
			return Seeds{}, err
		}
		was, known := []byte(nil), false
		if old, ok := older[seed.Path]; ok {
			if was, err = from.Seed(old, values); err != nil {
				return Seeds{}, err
			}
			known = true
		}
		if err := out.add(s.Workspace(), set, seed, was, is, known); err != nil {
			return Seeds{}, err
		}
	}
	return out, nil
}

func (out *Seeds) add(workspace string, set state.Settings, seed blueprint.Seed, was, is []byte, known bool) error {
	mode, err := strconv.ParseUint(seed.Mode, 8, 9)
	if err != nil {
		return fmt.Errorf("seed %s: mode %q: %w", seed.Path, seed.Mode, err)
	}
	name := strings.TrimPrefix(seed.Path, "/sandbox/")
	file := snapshot.Laid{Path: name, Data: is, Mode: os.FileMode(mode), User: int(set.User)}
	have, err := snapshot.Look(workspace, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.New = append(out.New, seed.Path)
		out.files = append(out.files, file)
	case err != nil:
		out.Kept = append(out.Kept, KeptSeed{Path: seed.Path, Why: err.Error()})
	case bytes.Equal(have, is):
	case known && bytes.Equal(have, was):
		file.Over = true
		out.Newer = append(out.Newer, seed.Path)
		out.files = append(out.files, file)
	case !bytes.Equal(was, is):
		out.Kept = append(out.Kept, KeptSeed{Path: seed.Path, Diff: udiff.Unified("older", "newer", string(was), string(is))})
	}
	return nil
}

// lay puts them into a workspace in which nobody lives at the moment.
func (out Seeds) lay(workspace string) error {
	for _, f := range out.files {
		if err := snapshot.Lay(workspace, f); err != nil {
			return err
		}
	}
	return nil
}

// valuesOf are what the placeholders of s's seeds stand for.
func valuesOf(s state.Sandbox) (blueprint.Values, error) {
	token, err := onboard.Token(s)
	if err != nil {
		return blueprint.Values{}, err
	}
	text, err := os.ReadFile(s.InferenceFile())
	if err != nil {
		return blueprint.Values{}, fmt.Errorf("read the inference policy: %w", err)
	}
	p, err := policy.ParseInference("inference.yaml", text)
	if err != nil {
		return blueprint.Values{}, err
	}
	return blueprint.Values{
		Name: string(s.Name()), GatewayPort: onboard.GatewayPort,
		GatewayToken: token, Model: p.Default().Model,
	}, nil
}
