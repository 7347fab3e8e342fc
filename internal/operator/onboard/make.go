package onboard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// make fetches what will be inside, creates the sandbox whole and starts it.
// What does not come up is removed again, so that nothing half-made is left;
// the blueprint's bytes stay for the next try.
func (s Setup) make(ctx context.Context, c choices, ref blueprint.Ref) error {
	content, err := s.prepare(ctx, ref)
	if err != nil {
		return err
	}
	if len(c.key) > 0 {
		if err := s.Secrets.Set(c.provider.name, []byte(strings.TrimSpace(string(c.key)))); err != nil {
			return err
		}
		s.Voice.News("The key is stored as the secret %s.", c.provider.name)
	}
	if err := s.keepProxy(c); err != nil {
		return err
	}
	files, err := filesOf(c, content)
	if err != nil {
		return fmt.Errorf("prepare sandbox %q: %w", string(c.name), err)
	}
	set, err := s.settings(c, content)
	if err != nil {
		return fmt.Errorf("prepare sandbox %q: %w", string(c.name), err)
	}
	box := s.Home.Sandbox(c.name)
	if err := s.Driver.Create(ctx, box, set, files...); err != nil {
		return err
	}
	if err := s.bringUp(ctx, box); err != nil {
		return s.undo(ctx, box, err)
	}
	return s.summary(ctx, box, c.modelLater)
}

// bringUp starts a new sandbox and looks whether it stays.
func (s Setup) bringUp(ctx context.Context, box state.Sandbox) error {
	if err := s.Driver.Start(ctx, box, s.step); err != nil {
		return err
	}
	st, err := s.Driver.Status(ctx, box)
	if err != nil || st.State == control.Running {
		return err
	}
	return say.Failing("nemoclaw doctor", "start sandbox %q: %s", string(box.Name()), st.Why)
}

// undo removes a sandbox that did not come up, and keeps why.
func (s Setup) undo(ctx context.Context, box state.Sandbox, why error) error {
	if err := s.Driver.Remove(context.WithoutCancel(ctx), box); err != nil {
		return errors.Join(why, err)
	}
	s.Voice.News("Nothing was left behind; what was downloaded stays for the next try.")
	return why
}

// The default limits of a sandbox; sandbox.yaml holds them.
const (
	defaultPids  = 1024
	defaultFiles = 65536
	defaultTmp   = 1 << 30
)

// settings are what is decided now and locked. Started by root, the sandbox gets
// a user of its own.
func (s Setup) settings(c choices, content store.Content) (state.Settings, error) {
	m := content.Manifest
	set := state.Settings{
		Agent:     c.agent,
		Blueprint: state.Blueprint{Name: m.Name, Version: m.Version, Digest: string(content.Digest), Tree: string(content.Tree)},
		Mounts:    c.mounts,
		Proxy:     c.proxy,
		Ports:     state.Ports{Gateway: c.port},
		Walls:     state.Walls{NetworkOff: c.networkOff, FilesystemOff: c.filesOff},
		Limits:    usualLimits(s.Facts),
	}
	var err error
	set.User, err = FreeUser()
	return set, err
}

func usualLimits(f host.Facts) state.Limits {
	return state.Limits{
		MemoryBytes: int64(f.Memory.Usable() / 2),
		Pids:        defaultPids,
		Files:       min(defaultFiles, mostFiles()),
		TmpBytes:    defaultTmp,
	}
}

// FreeUser is whom a new sandbox runs as: a user of its own where we are root,
// else 0, which stands for ourselves.
func FreeUser() (uint32, error) {
	if os.Geteuid() != 0 {
		return 0, nil
	}
	return host.FreeUser(os.DirFS("/"))
}

// mostFiles is the hard limit of open files, which a child cannot raise.
func mostFiles() uint64 {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return defaultFiles
	}
	return l.Max
}

// filesOf are the files that the sandbox begins with: the two policies, the
// gateway's token, and what the blueprint puts into the workspace.
func filesOf(c choices, content store.Content) ([]state.File, error) {
	network, err := networkPolicy(c, content)
	if err != nil {
		return nil, err
	}
	inference, err := inferencePolicy(c, content)
	if err != nil {
		return nil, err
	}
	token, err := newToken()
	if err != nil {
		return nil, err
	}
	files := []state.File{
		{Path: "network-policy.yaml", Data: network},
		{Path: "inference.yaml", Data: inference},
		{Path: tokenName, Data: []byte(token + "\n")},
	}
	values := blueprint.Values{Name: string(c.name), GatewayPort: GatewayPort, GatewayToken: token, Model: c.model}
	for _, seed := range content.Manifest.Seeds {
		f, err := seedFile(content, seed, values)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func seedFile(content store.Content, seed blueprint.Seed, v blueprint.Values) (state.File, error) {
	data, err := content.Artifact.Seed(seed, v)
	if err != nil {
		return state.File{}, err
	}
	mode, err := strconv.ParseUint(seed.Mode, 8, 9)
	if err != nil {
		return state.File{}, fmt.Errorf("seed %s: mode %q: %w", seed.Path, seed.Mode, err)
	}
	below, ok := strings.CutPrefix(seed.Path, "/sandbox/")
	if !ok {
		return state.File{}, fmt.Errorf("seed %s: not below /sandbox", seed.Path)
	}
	return state.File{Path: filepath.Join("workspace", below), Data: data, Mode: os.FileMode(mode)}, nil
}

// modelPort is where the agent finds its model server: the router.
const modelPort = 11434

// networkPolicy is the blueprint's template, and the article's first rule. It
// opens nothing: inside, that address is the router, whose calls need no rule.
func networkPolicy(c choices, content store.Content) ([]byte, error) {
	text := content.Artifact.Bytes(content.Manifest.Policies.Network)
	if c.provider.name != "ollama" {
		return text, nil
	}
	return policy.AddRule(text, policy.Entry{Host: "127.0.0.1", Port: modelPort,
		Note: "Ollama (local), through the inference router; it works without this rule too"})
}

// inferencePolicy is the blueprint's template with the answers in it.
func inferencePolicy(c choices, content store.Content) ([]byte, error) {
	text := content.Artifact.Bytes(content.Manifest.Policies.Inference)
	text, err := policy.SetURL(text, c.provider.name, c.url)
	if err != nil {
		return nil, err
	}
	return policy.SetModel(text, c.provider.name+"/"+c.model)
}
