package supervisor

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/confine/filter"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/proxy"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// content is what the blueprint puts inside, every byte of it checked.
type content struct {
	store.Content
	gatewayPort uint16 // inside; 0 where nothing is forwarded
}

// openContent checks the sandbox's blueprint, byte by byte, against the digest
// that was locked when the sandbox was created.
func openContent(ctx context.Context, place state.Sandbox, set state.Settings, way *proxy.Proxy, progress func(string)) (content, error) {
	name, locked := set.Name, set.Blueprint
	ref, err := blueprint.ParseRef(locked.Name+"@"+locked.Version, locked.Name)
	if err != nil {
		return content{}, err
	}
	want, err := blueprint.ParseDigest(locked.Digest)
	if err != nil {
		return content{}, err
	}
	ref.Digest = want // whatever the version is called by now
	s, err := store.OpenWith(place.Home().Blueprints(), store.Options{Proxy: fetchBy(way, set.Proxy.Credential, place)})
	if err != nil {
		return content{}, err
	}
	info, err := s.Inspect(ref)
	if err == nil {
		err = host.Fits(info.Manifest.Identity) // the machine may be another one than at onboarding
	}
	if m := new(blueprint.Mismatch); errors.As(err, &m) {
		m.Sandbox = name
	}
	if err != nil {
		return content{}, err
	}
	progress("checking the blueprint " + ref.String())
	c, err := s.Ensure(ctx, ref, nil)
	if m := new(blueprint.Mismatch); errors.As(err, &m) {
		m.Sandbox = name
	}
	if err != nil {
		return content{}, err
	}
	if locked.Tree != "" && locked.Tree != string(c.Tree) {
		return content{}, &blueprint.Mismatch{Blueprint: ref.String(), What: "unpacked files", Want: blueprint.Digest(locked.Tree), Got: c.Tree, Sandbox: name}
	}
	out := content{Content: c}
	for _, p := range c.Manifest.Ports {
		if p.Name == "gateway" {
			out.gatewayPort = p.Port
		}
	}
	return out, nil
}

// fetchBy is the way of what must be fetched before we are confined, where
// neither the environment nor npm's configuration names one.
func fetchBy(way *proxy.Proxy, credential string, place state.Sandbox) func(*url.URL) (*url.URL, error) {
	if way == nil {
		return nil
	}
	return func(u *url.URL) (*url.URL, error) {
		if credential == "" {
			return way.For(u, nil), nil
		}
		keys, err := secret.Open(place.Home().Secrets())
		if err != nil {
			return nil, err
		}
		word, err := keys.Get(credential)
		if err != nil {
			return nil, err
		}
		return way.For(u, word), nil
	}
}

// system is the tree that the sandbox stands on.
func (c content) system() plan.System {
	if c.Base != "" {
		return host.Pinned(c.Base)
	}
	return host.System()
}

// environment is what the blueprint adds to the plan's.
func (c content) environment() []string {
	var env []string
	for _, k := range slices.Sorted(maps.Keys(c.Manifest.Env)) {
		env = append(env, k+"="+c.Manifest.Env[k])
	}
	return env
}

// program is what the blueprint starts, if anything.
func (c content) program() (program, bool) {
	a := c.Manifest.Agent
	if a == nil {
		return program{}, false
	}
	return program{
		name:    a.Name,
		command: spec.Command{Argv: a.Argv, Dir: a.Dir},
		health:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Health.Port),
		path:    a.Health.Ready,
		patient: time.Duration(a.Start),
	}, true
}

func (c content) status(b state.Blueprint) control.BlueprintStatus {
	return control.BlueprintStatus{
		Name: b.Name, Version: b.Version, Digest: b.Digest,
		Verified: c.Digest.String() == b.Digest, Base: c.Manifest.Base.Describe(),
	}
}

// spare is how much more processes the second limit allows than the first.
const spare = 32

// rlimitPids is the limit of processes by rlimit, which holds alone where there
// is no control group. Where there is one it comes second: it does not count what
// it refused, and so could not be named by status.
func (k *keeper) rlimitPids() int {
	if n := k.settings.Limits.Pids; n > 0 && len(k.group.Dirs()) > 0 {
		return n + spare
	}
	return k.settings.Limits.Pids
}

// planInput is everything that decides what this sandbox will be.
func (k *keeper) planInput(system plan.System) plan.Input {
	in := plan.Input{
		Name:      k.settings.Name,
		System:    system,
		Workspace: k.place.Workspace(),
		Content:   k.content.Dir,
		Path:      k.content.Manifest.Path,
		Env:       k.content.environment(),
		Files: []plan.Shown{
			{Host: k.place.InferenceLog(), Target: "/sandbox/.openclaw/inference.log"},
			{Host: k.place.PolicyNotes(), Target: notesPlace},
		},
		Limits: plan.Limits{
			Pids: k.rlimitPids(), Files: k.settings.Limits.Files, TmpBytes: k.settings.Limits.TmpBytes,
			FileBytes: k.settings.Limits.DiskBytes,
		},
		FilesystemOff: k.settings.Walls.FilesystemOff,
		Syscalls:      filter.Choice{Allow: k.settings.Walls.Syscalls, Audit: k.settings.Walls.AuditSyscalls},
		Trust:         k.trust,
	}
	for _, m := range k.settings.Mounts {
		in.Mounts = append(in.Mounts, plan.Mount{Host: m.Host, Target: m.Sandbox, ReadOnly: m.ReadOnly})
	}
	return in
}
