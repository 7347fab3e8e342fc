package cli

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) gatewayURLCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "gateway-url",
		Short: "the address of the agent's Control UI, with its token",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return t.gatewayURL() },
	}
}

// gatewayURL reads the token from the host's own copy: what the agent made of
// the one in its workspace is not opened.
func (t target) gatewayURL() error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	set, err := s.LoadEdited()
	if err != nil {
		return err
	}
	if set.Ports.Gateway == 0 {
		return say.Failing("", "%s has no gateway: nothing in its blueprint listens", s.Name())
	}
	token, err := onboard.Token(s)
	if err != nil {
		return err
	}
	address := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", set.Ports.Gateway), Path: "/"}
	if token != "" {
		address.Fragment = "token=" + token
	}
	t.app.voice.Result("%s", address.String())
	if _, held := s.Holder(); !held {
		t.app.voice.News("%s is not running: nothing answers there yet", s.Name())
		t.app.voice.News("→ nemoclaw %s start", s.Name())
	}
	return nil
}
