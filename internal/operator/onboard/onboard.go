package onboard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/mount"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Request is what the command line said. Given holds the answers to the
// questions by their flags: "gateway-port", "provider", "inference-url",
// "model", "name", "network-policy", "filesystem-policy" (the last two "yes"
// or "no").
type Request struct {
	Given      map[string]string
	Mounts     []string
	Agent      string // openclaw or none; empty for the blueprint's
	Blueprint  string // NAME@VERSION, VERSION or NAME; empty for the newest that fits Agent
	Yes        bool   // defaults for what was not given, and no review
	ModelLater bool   // the model need not answer yet
	Proxy      string // of --proxy: a URL, "none", or "" for the environment's
}

// Setup is what onboarding works with.
type Setup struct {
	Voice   *say.Voice
	Home    state.Home
	Driver  driver.Driver
	Facts   host.Facts
	Store   *store.Store
	Secrets *secret.Store
}

// Run leads to a sandbox that runs and is healthy, and prints the summary. A
// sandbox of the same name with the same answers is brought up, not made again.
func (s Setup) Run(ctx context.Context, r Request) error {
	if err := s.machine(ctx); err != nil {
		return err
	}
	mounts, err := mount.Parse(r.Mounts, s.Home.Dir)
	if err != nil {
		return err
	}
	ref, info, err := s.blueprint(r)
	if err != nil {
		return err
	}
	if there, err := s.existing(r); there != nil || err != nil {
		if err == nil {
			err = s.resume(ctx, *there, r, mounts, ref)
		}
		return err
	}
	a, err := s.answers(ctx, r, mounts, info)
	if err != nil {
		return err
	}
	c, err := s.choices(a, r, mounts, info)
	if err != nil {
		return err
	}
	if err := s.preflight(ctx, c); err != nil {
		return err
	}
	return s.make(ctx, c, ref)
}

// choices are the answers, checked and in their types.
type choices struct {
	name       state.Name
	port       int
	provider   provider
	url        string
	model      string
	key        []byte // to be stored; empty where one is, or none is wanted
	networkOff bool
	filesOff   bool
	mounts     []state.Mount
	proxy      state.Proxy
	proxyWord  []byte // "user:password" for the proxy, to be stored; nil for none
	agent      string
	modelLater bool
}

func (s Setup) choices(a answers, r Request, mounts []state.Mount, info store.Info) (choices, error) {
	c := choices{mounts: mounts, url: a["inference-url"], model: a["model"], key: []byte(a["key"]),
		networkOff: a["network-policy"] == "no", filesOff: a["filesystem-policy"] == "no", modelLater: r.ModelLater || a[modelLater] == "yes"}
	var err error
	if c.name, err = state.ParseName(a["name"]); err != nil {
		return c, misused(err)
	}
	if c.provider, err = providerOf(a["provider"]); err != nil {
		return c, misused(err)
	}
	if c.proxy, c.proxyWord, err = proxyOf(r.Proxy); err != nil {
		return c, misused(err)
	}
	if info.Manifest.Agent == nil || r.Agent == "none" {
		c.agent, c.modelLater = "none", true
	} else {
		c.agent = info.Manifest.Name
	}
	if len(info.Manifest.Ports) > 0 {
		c.port, err = parsePort(a["gateway-port"])
	}
	if c.provider.name == "ollama" {
		c.model = strings.TrimPrefix(c.model, "ollama/")
	}
	return c, misused(err)
}

// misused gives a refused answer the exit code of wrong usage.
func misused(err error) error {
	if err == nil {
		return nil
	}
	help := ""
	if h := say.Hinter(nil); errors.As(err, &h) {
		help = h.Hint()
	}
	return &say.Fault{Err: err, Help: help, Code: say.WrongUsage}
}

// blueprint finds what will be inside.
func (s Setup) blueprint(r Request) (blueprint.Ref, store.Info, error) {
	switch r.Agent {
	case "", "openclaw", "none":
	default:
		return blueprint.Ref{}, store.Info{}, say.Misused("--agent openclaw, or --agent none", "agent %q: not known", r.Agent)
	}
	wanted := r.Blueprint
	if wanted == "" && r.Agent == "none" {
		wanted = "shell"
	}
	if wanted == "" {
		wanted = blueprint.Default
	}
	ref, err := blueprint.ParseRef(wanted, "")
	if err != nil {
		return ref, store.Info{}, misused(err)
	}
	info, err := s.Store.Inspect(ref)
	if err != nil {
		return ref, info, err
	}
	if err := info.Manifest.Fits(s.Facts.Machine()); err != nil {
		return ref, info, err
	}
	if r.Agent == "openclaw" && info.Manifest.Agent == nil {
		return ref, info, say.Misused("--agent none", "blueprint %s has no agent", info.Manifest.Ref())
	}
	return ref, info, nil
}

// machine refuses a machine on which a wall cannot stand, before anything is
// asked, and tells what is merely scarce.
func (s Setup) machine(ctx context.Context) error {
	if err := s.Driver.Probe(ctx); err != nil {
		return err
	}
	for _, l := range s.Facts.Missing() {
		if l.Advice {
			s.Voice.News("! %s", say.CleanLines(l.Error()))
			s.Voice.News("  → %s", say.CleanLines(l.Remedy))
		}
	}
	return nil
}

// existing is the sandbox that the request would make again: the named one,
// or, where nobody is asked, the one of the default name.
func (s Setup) existing(r Request) (*state.Sandbox, error) {
	name, given := r.Given["name"]
	if !given && !r.Yes {
		return nil, nil
	}
	if !given {
		name = defaultName
	}
	n, err := state.ParseName(name)
	if err != nil {
		return nil, misused(err)
	}
	if box := s.Home.Sandbox(n); box.Exists() {
		return &box, nil
	}
	return nil, nil
}

// resume brings up a sandbox that was made before, if it is what is asked for.
func (s Setup) resume(ctx context.Context, box state.Sandbox, r Request, mounts []state.Mount, ref blueprint.Ref) error {
	set, err := box.Load()
	if err != nil {
		return err
	}
	if other := difference(box, set, r, mounts, ref); other != "" {
		return say.Failing(fmt.Sprintf("--name %s for another one, or nemoclaw %s destroy", s.Home.Free(box.Name()), box.Name()),
			"a sandbox named %q exists, with %s", string(box.Name()), other)
	}
	if _, held := box.Holder(); held {
		s.Voice.News("%s runs already; nothing was changed.", box.Name())
		return s.summary(ctx, box, r.ModelLater || set.Agent == "none")
	}
	s.Voice.News("%s was made before: starting it.", box.Name())
	if err := s.prepareDigest(ctx, set.Blueprint); err != nil {
		return err
	}
	if err := s.Driver.Start(ctx, box, s.step); err != nil {
		return err
	}
	return s.summary(ctx, box, r.ModelLater || set.Agent == "none")
}

func (s Setup) step(line string) {
	if s.Voice.ErrTTY {
		s.Voice.Passing("… %s", say.Clean(line))
		return
	}
	s.Voice.News("… %s", say.Clean(line))
}

// summary is the article's block. later says that a model which does not
// answer was accepted.
func (s Setup) summary(ctx context.Context, box state.Sandbox, later bool) error {
	st, err := s.Driver.Status(ctx, box)
	if err != nil {
		return err
	}
	v := s.Voice
	v.Result("Sandbox %s (%s)", st.Name, layers(st.Walls))
	v.Result("Model %s", say.Clean(st.Inference.Model))
	v.Result("Run: nemoclaw %s connect", st.Name)
	v.Result("Status: nemoclaw %s status", st.Name)
	v.Result("Logs: nemoclaw %s logs --follow", st.Name)
	if st.Healthy {
		return nil
	}
	if later && st.State == control.Running && !st.Inference.Connected {
		v.News("! inference: disconnected: %s", say.Clean(st.Inference.Why))
		if st.Inference.Hint != "" {
			v.News("  → %s", say.Clean(st.Inference.Hint))
		}
		return nil
	}
	return say.Failing("nemoclaw "+st.Name+" status", "sandbox %q runs, but not all is well", st.Name)
}

// layers names what stands, as the article does.
func layers(w control.Walls) string {
	var on []string
	if w.Filesystem.Enforced {
		on = append(on, "Landlock")
	}
	if w.Process.Enforced {
		on = append(on, "seccomp")
	}
	if w.Network.Enforced {
		on = append(on, "netns")
	}
	if len(on) == 0 {
		return "no wall"
	}
	return strings.Join(on, " + ")
}
