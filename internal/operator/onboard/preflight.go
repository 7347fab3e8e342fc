package onboard

import (
	"context"
	"fmt"

	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// NoModel is a model that the server does not have.
type NoModel struct{ Model, URL string }

func (e *NoModel) Error() string {
	return fmt.Sprintf("model %s: not on the model server %s", e.Model, e.URL)
}

// Hint is the command that fetches it.
func (e *NoModel) Hint() string { return "ollama pull " + e.Model }

// preflight looks at what the answers need, before anything is made. A model
// that does not answer is an error, unless it may come later.
func (s Setup) preflight(ctx context.Context, c choices) error {
	err := s.modelThere(ctx, c)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !c.modelLater {
		return &say.Fault{Err: err, Help: helpOf(err) + "\n→ or make the sandbox all the same: add --model-later"}
	}
	s.Voice.News("! %s", say.Clean(err.Error()))
	s.Voice.News("  → %s", say.Clean(helpOf(err)))
	return nil
}

// ready says whether the model that a names answers, while it can still be named
// anew. What may come later is ready now.
func (s Setup) ready(ctx context.Context, a answers, r Request, mounts []state.Mount, info store.Info) error {
	c, err := s.choices(a, r, mounts, info)
	if err != nil || c.modelLater {
		return err
	}
	return s.modelThere(ctx, c)
}

func helpOf(err error) string {
	if h, ok := err.(say.Hinter); ok {
		return h.Hint()
	}
	return ""
}

// modelThere asks the server. Only an Ollama is held to its list: the others
// serve models that they do not list.
func (s Setup) modelThere(ctx context.Context, c choices) error {
	names, err := c.provider.models(ctx, c.url, s.keyFor(c.provider, answers{"key": string(c.key)}))
	if err != nil {
		return err
	}
	if c.provider.name == "ollama" && !has(names, c.model) {
		return &NoModel{c.model, c.url}
	}
	return nil
}
