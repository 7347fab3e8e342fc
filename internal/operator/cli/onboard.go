package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/mount"
	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/proxy"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/notify"
)

// onboardFlags answer the wizard's questions, and say what it does not ask.
type onboardFlags struct {
	port                        int
	provider, url, model, name  string
	noNetwork, noFilesystem     bool
	withNetwork, withFilesystem bool
	mounts                      []string
	proxy                       string
	agent, blueprintRef, driver string
	yes, modelLater             bool
}

func (a *app) onboardCommand() *cobra.Command {
	var f onboardFlags
	c := &cobra.Command{
		Use:   "onboard",
		Short: "set up a sandbox and start it, with a wizard or by flags",
		Long: `Set up a sandbox: seven questions, a review, and it runs.

Each question has a flag; --yes takes the defaults for the rest. The key of a
provider that wants one is asked for without echo, or taken from the secret of
the provider's name (nemoclaw secret set nvidia).`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.onboard(c.Context(), f, c.Flags()) },
	}
	fl := c.Flags()
	fl.IntVar(&f.port, "gateway-port", 18789, "port of this machine's loopback that leads to the agent's gateway")
	fl.StringVar(&f.provider, "provider", "ollama", "ollama, nvidia, openai or anthropic")
	fl.StringVar(&f.url, "inference-url", "", "base URL of the model server (default the provider's)")
	fl.StringVar(&f.model, "model", "", "model to use (default qwen3:8b, or the first that the server has)")
	fl.StringVar(&f.name, "name", "my-assistant", "the sandbox's name")
	fl.BoolVar(&f.noNetwork, "no-network-policy", false, "leave the network wall off, for good")
	fl.BoolVar(&f.noFilesystem, "no-filesystem-policy", false, "leave the filesystem wall off, for good")
	fl.BoolVar(&f.withNetwork, "network-policy", true, "enable the network policy")
	fl.BoolVar(&f.withFilesystem, "filesystem-policy", true, "enable the filesystem policy")
	fl.StringArrayVar(&f.mounts, "mount", nil, "hand over HOST:SANDBOX[:ro|rw]; may be given again")
	fl.StringVar(&f.proxy, "proxy", "", "http://HOST:PORT by which this machine's network is left, or none (default HTTPS_PROXY and NO_PROXY of the environment)")
	fl.StringVar(&f.agent, "agent", "", "openclaw, or none (default openclaw)")
	fl.StringVar(&f.blueprintRef, "blueprint", "", "NAME@VERSION, VERSION or NAME (default the newest openclaw)")
	fl.StringVar(&f.driver, "driver", "native", "where it runs: native")
	fl.BoolVarP(&f.yes, "yes", "y", false, "take the defaults for what no flag answers, without review")
	fl.BoolVar(&f.modelLater, "model-later", false, "go on although the model does not answer yet")
	c.MarkFlagsMutuallyExclusive("network-policy", "no-network-policy")
	c.MarkFlagsMutuallyExclusive("filesystem-policy", "no-filesystem-policy")
	return c
}

func (a *app) onboard(ctx context.Context, f onboardFlags, set *pflag.FlagSet) error {
	if f.driver != "" && f.driver != "native" {
		return say.Misused("--driver native", "driver %q: not known", f.driver)
	}
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return err
	}
	secrets, err := secret.Open(a.home.Secrets())
	if err != nil {
		return err
	}
	s := onboard.Setup{Voice: a.voice, Home: a.home, Driver: a.driver, Facts: host.Look(), Store: blueprints, Secrets: secrets}
	return s.Run(ctx, onboard.Request{
		Given:      f.given(set),
		Mounts:     f.mounts,
		Agent:      f.agent,
		Blueprint:  f.blueprintRef,
		Yes:        f.yes,
		ModelLater: f.modelLater,
		Proxy:      f.proxy,
	})
}

// given are the answers that stand on the command line.
func (f onboardFlags) given(set *pflag.FlagSet) map[string]string {
	given := map[string]string{}
	for flag, answer := range map[string]string{
		"gateway-port": strconv.Itoa(f.port), "provider": f.provider, "inference-url": f.url,
		"model": f.model, "name": f.name,
	} {
		if set.Changed(flag) {
			given[flag] = answer
		}
	}
	for flag, on := range map[string]bool{"network-policy": f.withNetwork && !f.noNetwork, "filesystem-policy": f.withFilesystem && !f.noFilesystem} {
		switch {
		case !set.Changed(flag) && !set.Changed("no-"+flag):
		case on:
			given[flag] = "yes"
		default:
			given[flag] = "no"
		}
	}
	return given
}

// checkSettings refuses an edited sandbox.yaml that no wizard would have made.
func (a *app) checkSettings(set state.Settings) error {
	if _, err := blueprint.ParseDigest(set.Blueprint.Digest); err != nil {
		return err
	}
	if _, err := proxy.Parse(set.Proxy); err != nil {
		return fmt.Errorf("sandbox.yaml: %w", err)
	}
	if _, err := notify.Command(set); err != nil {
		return err
	}
	var texts []string
	for _, m := range set.Mounts {
		mode := "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		texts = append(texts, m.Host+":"+m.Sandbox+":"+mode)
	}
	_, err := mount.Parse(texts, a.home.Dir)
	return err
}
