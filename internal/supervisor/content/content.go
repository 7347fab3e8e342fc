package content

import (
	"context"
	"errors"
	"net/url"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/proxy"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor"
)

// Open checks the sandbox's blueprint, byte by byte, against the digest
// that was locked when the sandbox was created.
func Open(ctx context.Context, place state.Sandbox, set state.Settings, way *proxy.Proxy, progress func(string)) (supervisor.Content, error) {
	name, locked := set.Name, set.Blueprint
	ref, err := blueprint.ParseRef(locked.Name+"@"+locked.Version, locked.Name)
	if err != nil {
		return supervisor.Content{}, err
	}
	want, err := blueprint.ParseDigest(locked.Digest)
	if err != nil {
		return supervisor.Content{}, err
	}
	ref.Digest = want // whatever the version is called by now
	s, err := store.OpenWith(place.Home().Blueprints(), store.Options{Proxy: fetchBy(way, set.Proxy.Credential, place)})
	if err != nil {
		return supervisor.Content{}, err
	}
	info, err := s.Inspect(ref)
	if err == nil {
		err = host.Fits(info.Manifest.Identity) // the machine may be another one than at onboarding
	}
	if m := new(blueprint.Mismatch); errors.As(err, &m) {
		m.Sandbox = name
	}
	if err != nil {
		return supervisor.Content{}, err
	}
	progress("checking the blueprint " + ref.String())
	c, err := s.Ensure(ctx, ref, nil)
	if m := new(blueprint.Mismatch); errors.As(err, &m) {
		m.Sandbox = name
	}
	if err != nil {
		return supervisor.Content{}, err
	}
	if locked.Tree != "" && locked.Tree != string(c.Tree) {
		return supervisor.Content{}, &blueprint.Mismatch{Blueprint: ref.String(), What: "unpacked files", Want: blueprint.Digest(locked.Tree), Got: c.Tree, Sandbox: name}
	}
	return supervisor.Content{Manifest: c.Manifest, Digest: c.Digest, Dir: c.Dir, Base: c.Base}, nil
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
