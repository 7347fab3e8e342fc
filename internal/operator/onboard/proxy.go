package onboard

import (
	"bytes"
	"errors"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/proxy"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// proxyOf is what --proxy says, or the environment where it says nothing.
func proxyOf(flag string) (state.Proxy, []byte, error) {
	switch flag {
	case "":
		return proxy.FromEnvironment()
	case "none":
		return state.Proxy{}, nil, nil
	}
	set, word, err := proxy.Read(flag)
	if err == nil && word != nil { // everybody on the machine can read a command line
		return set, nil, say.Misused("HTTPS_PROXY=… nemoclaw onboard, which stores it as a secret", "--proxy: a password on the command line can be read by others")
	}
	return set, nil, err
}

// keepProxy says which way will be taken, and stores the proxy's password.
func (s Setup) keepProxy(c choices) error {
	if c.proxy.URL == "" {
		return nil
	}
	s.Voice.News("Out of this network by the proxy %s.", c.proxy.URL)
	if c.proxyWord == nil {
		return nil
	}
	old, err := s.Secrets.Get(proxy.Secret)
	if missing := (*secret.NotFound)(nil); err != nil && !errors.As(err, &missing) {
		return err
	}
	if bytes.Equal(old, c.proxyWord) {
		return nil
	}
	if err := s.Secrets.Set(proxy.Secret, c.proxyWord); err != nil {
		return err
	}
	s.Voice.News("Its user and password are stored as the secret %s, for every sandbox that uses it.", proxy.Secret)
	return nil
}
