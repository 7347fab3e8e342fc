package onboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// defaultName is the article's.
const defaultName = "my-assistant"

// questionFlags are the flags that answer the seven questions, in their order.
var questionFlags = []string{"gateway-port", "provider", "inference-url", "model", "name", "network-policy", "filesystem-policy"}

var yesOrNo = []option{{"yes", "Yes"}, {"no", "No"}}

// answers gets every question answered: by flags, by defaults with --yes, or
// by the wizard.
func (s Setup) answers(ctx context.Context, r Request, mounts []state.Mount, info store.Info) (answers, error) {
	questions := s.questions(ctx, info)
	given := answers{}
	for flag, a := range r.Given {
		given[flag] = a
	}
	if r.Yes || len(missing(questions, given)) == 0 && !s.Voice.InTTY {
		a, err := fill(questions, given)
		if _, chosen := r.Given["gateway-port"]; err == nil && !chosen && a["gateway-port"] != "" && a["gateway-port"] != strconv.Itoa(GatewayPort) {
			s.Voice.News("Gateway port %d is taken: using %s.", GatewayPort, a["gateway-port"])
		}
		return a, err
	}
	if !s.Voice.InTTY || !s.Voice.ErrTTY {
		return nil, say.Misused("--yes takes the defaults; or give --"+strings.Join(missing(questions, given), ", --"),
			"onboard: nobody to ask: stdin is not a terminal")
	}
	if err := checkGiven(questions, given); err != nil {
		return nil, err
	}
	f := newForm(questions, given, func(a answers) []string { return s.plan(a, mounts, info) })
	f.ready = func(a answers) error { return s.ready(ctx, a, r, mounts, info) }
	if err := ask(ctx, s.Voice, f); err != nil {
		return nil, err
	}
	return f.answers, nil
}

// missing are the flags of the questions that have no answer yet.
func missing(questions []question, given answers) []string {
	var flags []string
	for _, q := range questions {
		if _, ok := given[q.flag]; !ok && !q.skip(given) && slices.Contains(questionFlags, q.flag) {
			flags = append(flags, q.flag)
		}
	}
	return flags
}

// fill takes the default of each question that was not answered.
func fill(questions []question, given answers) (answers, error) {
	for _, q := range questions {
		if q.skip(given) {
			continue
		}
		if _, ok := given[q.flag]; !ok {
			given[q.flag] = q.start(given)
		}
		if err := q.check(given[q.flag], given); err != nil {
			return nil, misused(err)
		}
	}
	return given, nil
}

// checkGiven refuses a bad flag before anything is asked.
func checkGiven(questions []question, given answers) error {
	for _, q := range questions {
		if a, ok := given[q.flag]; ok && !q.skip(given) {
			if err := q.check(a, given); err != nil {
				return misused(err)
			}
		}
	}
	return nil
}

// questions are the article's seven, and the key where a provider wants one.
func (s Setup) questions(ctx context.Context, info store.Info) []question {
	never := func(answers) bool { return false }
	always := func(text string) func(answers) string { return func(answers) string { return text } }
	return []question{
		{
			flag: "gateway-port", label: always("Gateway port"),
			start: func(answers) string { return strconv.Itoa(FreePort(s.Home)) },
			check: func(a string, _ answers) error { return s.checkPort(a) },
			skip:  func(answers) bool { return len(info.Manifest.Ports) == 0 },
		},
		{
			flag: "provider", label: always("Inference provider"), start: always("ollama"), skip: never,
			fixed: providerOptions(),
			check: func(a string, _ answers) error { _, err := providerOf(a); return err },
		},
		{
			flag: "inference-url", skip: never,
			label: func(a answers) string { return chosen(a).asks },
			start: func(a answers) string { return chosen(a).url },
			check: func(a string, _ answers) error { _, err := policy.ParseBaseURL(a); return err },
		},
		{
			flag: "key", secret: true, start: always(""),
			label: func(a answers) string { return keyLabel(chosen(a)) },
			check: func(v string, a answers) error { return checkKey(v, chosen(a)) },
			skip:  func(a answers) bool { return !chosen(a).key || s.stored(chosen(a).name) },
		},
		{
			flag: "model", label: always("Model to use"), skip: never,
			start:  func(a answers) string { return s.bestModel(ctx, a) },
			lookup: func(a answers) ([]option, string) { return s.modelOptions(ctx, a) },
			check:  func(a string, _ answers) error { return checkModel(a) },
		},
		{
			flag: "name", label: always("Sandbox name"), skip: never,
			start: func(answers) string { return string(s.Home.Free(defaultName)) },
			check: func(a string, _ answers) error { return s.checkName(a) },
		},
		{flag: "network-policy", label: always("Enable network policy"), start: always("yes"), fixed: yesOrNo, skip: never, check: checkYesNo},
		{flag: "filesystem-policy", label: always("Enable filesystem policy"), start: always("yes"), fixed: yesOrNo, skip: never, check: checkYesNo},
	}
}

func providerOptions() []option {
	var all []option
	for _, p := range providers {
		all = append(all, option{p.name, p.label})
	}
	return all
}

// chosen is the provider that was answered, Ollama until one was.
func chosen(a answers) provider {
	p, err := providerOf(a["provider"])
	if err != nil {
		return providers[0]
	}
	return p
}

func keyLabel(p provider) string { return strings.TrimSuffix(p.label, " Cloud") + " API key" }

func checkKey(value string, p provider) error {
	if strings.TrimSpace(value) == "" {
		return say.Failing("nemoclaw secret set "+p.name, "provider %s wants a key, and none is stored", p.name)
	}
	return nil
}

func checkModel(a string) error {
	if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("model %q: want a name without spaces, like qwen3:8b", a)
	}
	return nil
}

func checkYesNo(a string, _ answers) error {
	if a != "yes" && a != "no" {
		return fmt.Errorf("%q: want yes or no", a)
	}
	return nil
}

func (s Setup) checkPort(a string) error {
	p, err := parsePort(a)
	if err != nil {
		return err
	}
	return checkPort(s.Home, p, "")
}

func (s Setup) checkName(a string) error {
	n, err := state.ParseName(a)
	if err != nil {
		return err
	}
	if s.Home.Sandbox(n).Exists() {
		return &state.Taken{Name: n, Free: s.Home.Free(n)}
	}
	return nil
}

// stored says whether the provider's key is in the secret store.
func (s Setup) stored(name string) bool {
	names, err := s.Secrets.List()
	return err == nil && slices.Contains(names, name)
}

// keyFor is the key to ask a model server with: the one just given, or the
// stored one.
func (s Setup) keyFor(p provider, a answers) []byte {
	if !p.key {
		return nil
	}
	if k := a["key"]; k != "" {
		return []byte(k)
	}
	key, err := s.Secrets.Get(p.name)
	if err != nil {
		return nil
	}
	return key
}

// modelOptions are the models that the server has.
func (s Setup) modelOptions(ctx context.Context, a answers) ([]option, string) {
	p := chosen(a)
	names, err := p.models(ctx, a["inference-url"], s.keyFor(p, a))
	var down *Unreachable
	switch {
	case errors.As(err, &down):
		return nil, down.Error() + " → " + down.Hint()
	case err != nil:
		return nil, err.Error()
	case len(names) == 0:
		return nil, "the server has no model yet → ollama pull " + p.model
	}
	var all []option
	for _, n := range names {
		all = append(all, option{n, n})
	}
	return all, ""
}

// bestModel is the provider's usual model, or the first that the server has
// where it has others.
func (s Setup) bestModel(ctx context.Context, a answers) string {
	p := chosen(a)
	names, err := p.models(ctx, a["inference-url"], s.keyFor(p, a))
	if err != nil || len(names) == 0 || slices.Contains(names, p.model) {
		return p.model
	}
	return names[0]
}

// plan is what the review shows below the answers.
func (s Setup) plan(a answers, mounts []state.Mount, info store.Info) []string {
	m := info.Manifest
	lines := []string{fmt.Sprintf("Blueprint %s, %s", m.Ref(), info.Digest), "Base: " + m.Base.Describe()}
	if m.Packages != nil && !info.Ready {
		lines = append(lines, fmt.Sprintf("%s to download, %s on disk", say.Bytes(m.Packages.Download), say.Bytes(m.Packages.Unpacked)))
	}
	lines = append(lines, "Folder "+s.Home.Dir+"/"+a["name"])
	for _, mount := range mounts {
		lines = append(lines, "Mount "+mountLine(mount))
	}
	for _, w := range []struct{ flag, wall string }{{"network-policy", "network"}, {"filesystem-policy", "filesystem"}} {
		if a[w.flag] == "no" {
			lines = append(lines, "The "+w.wall+" wall will be off, for good: this cannot be changed later")
		}
	}
	return lines
}

func mountLine(m state.Mount) string {
	if m.ReadOnly {
		return fmt.Sprintf("%s → %s (ro)", m.Host, m.Sandbox)
	}
	return fmt.Sprintf("%s → %s (rw)", m.Host, m.Sandbox)
}
