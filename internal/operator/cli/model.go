package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) setModelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "set-model PROVIDER/MODEL",
		Short: "change the model, at once and without a restart",
		Args:  words("PROVIDER/MODEL"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.editInference(c.Context(), func(text []byte, _ *policy.Inference) ([]byte, error) {
				return policy.SetModel(text, args[0])
			})
		},
	}
}

func (t target) setInferenceURLCommand() *cobra.Command {
	var provider string
	c := &cobra.Command{
		Use:   "set-inference-url URL",
		Short: "change where the model server is, at once and without a restart",
		Args:  words("URL"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.editInference(c.Context(), func(text []byte, now *policy.Inference) ([]byte, error) {
				if provider == "" {
					provider = now.Default().Provider
				}
				return policy.SetURL(text, provider, args[0])
			})
		},
	}
	c.Flags().StringVar(&provider, "provider", "", "of this provider (default: the one in use)")
	return c
}

func (t target) reloadInferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload-inference",
		Short: "put inference.yaml in force, without a restart",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			return t.app.reloadInference(c.Context(), s)
		},
	}
}

// editInference changes inference.yaml as a text editor would, keeping its
// comments, and puts it in force. Nothing is written that does not parse.
func (t target) editInference(ctx context.Context, edit func([]byte, *policy.Inference) ([]byte, error)) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	if !s.Exists() {
		return &state.NotFound{Name: s.Name()}
	}
	err = state.EditDurable(s.InferenceFile(), 0o600, func(text []byte) ([]byte, error) {
		now, err := policy.ParseInference(s.InferenceFile(), text)
		if err != nil {
			return nil, err
		}
		edited, err := edit(text, now)
		if err != nil {
			return nil, err
		}
		_, err = policy.ParseInference(s.InferenceFile(), edited)
		return edited, err
	})
	if err != nil {
		return err
	}
	return t.app.reloadInference(ctx, s)
}

func readInference(s state.Sandbox) (*policy.Inference, []byte, error) {
	if !s.Exists() {
		return nil, nil, &state.NotFound{Name: s.Name()}
	}
	text, err := os.ReadFile(s.InferenceFile())
	if err != nil {
		return nil, nil, fmt.Errorf("read inference policy: %w", err)
	}
	inf, err := policy.ParseInference(s.InferenceFile(), text)
	return inf, text, err
}

// reloadInference puts the file in force and says where calls go now.
func (a *app) reloadInference(ctx context.Context, s state.Sandbox) error {
	client, err := a.driver.Dial(ctx, s)
	if errors.As(err, new(*driver.NotRunning)) {
		inf, _, err := readInference(s)
		if err != nil {
			return err
		}
		a.voice.Result("Inference %s", say.Clean(modelName(inf.Default())))
		a.voice.News("%s is not running: it takes effect at its start", s.Name())
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := client.ReloadInference(ctx); err != nil {
		return err
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	a.printInference(st.Inference)
	return nil
}

func modelName(t policy.Target) string { return t.Provider + "/" + t.Model }
