package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/secret"
)

func (a *app) secretCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "secret",
		Short: "keys that are added outside the sandbox and never go in",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var stdin, yes bool
	set := &cobra.Command{
		Use:   "set NAME",
		Short: "store a key; it is asked for without echo, or read from a pipe with --stdin",
		Args:  words("NAME"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.secretSet(args[0], stdin) },
	}
	set.Flags().BoolVar(&stdin, "stdin", false, "read it from stdin")
	list := &cobra.Command{
		Use:   "list",
		Short: "their names",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return a.secretList() },
	}
	remove := &cobra.Command{
		Use:   "remove NAME",
		Short: "forget one",
		Args:  words("NAME"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.secretRemove(args[0], yes) },
	}
	remove.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.AddCommand(set, list, remove)
	return c
}

func (a *app) secretSet(name string, stdin bool) error {
	value, err := a.readSecret(name, stdin)
	if err != nil {
		return err
	}
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return say.Failing("", "secret %q: it is empty: nothing was stored", name)
	}
	store, err := secret.Open(a.home.Secrets())
	if err != nil {
		return err
	}
	if err := store.Set(name, value); err != nil {
		return err
	}
	a.voice.Result("secret %s stored", say.Clean(name))
	return nil
}

// maxSecret is the longest key that is read, in bytes.
const maxSecret = 64 << 10

func (a *app) readSecret(name string, stdin bool) ([]byte, error) {
	if stdin {
		return io.ReadAll(io.LimitReader(a.voice.In, maxSecret))
	}
	if !a.voice.InTTY {
		return nil, say.Misused("nemoclaw secret set "+name+" --stdin", "secret %q: nobody to ask: stdin is not a terminal", name)
	}
	value, err := askUnseen(os.Stdin, func() { _, _ = fmt.Fprintf(a.voice.Err, "%s (not shown): ", say.Clean(name)) })
	_, _ = fmt.Fprintln(a.voice.Err)
	if errors.Is(err, io.EOF) {
		return nil, say.Failing("", "secret %q: nothing was given", name)
	}
	return value, err
}

func (a *app) secretList() error {
	store, err := secret.Open(a.home.Secrets())
	if err != nil {
		return err
	}
	names, err := store.List()
	if err != nil {
		return err
	}
	for _, n := range names {
		a.voice.Result("%s", say.Clean(n))
	}
	if len(names) == 0 {
		a.voice.News("No secret is stored.")
	}
	return nil
}

func (a *app) secretRemove(name string, yes bool) error {
	store, err := secret.Open(a.home.Secrets())
	if err != nil {
		return err
	}
	if !yes {
		if yes, err = a.voice.Confirm(fmt.Sprintf("Remove the secret %s?", name), "--yes"); err != nil {
			return err
		}
	}
	if !yes {
		a.voice.News("Nothing was done.")
		return say.Exit(say.Failed)
	}
	if err := store.Remove(name); err != nil {
		return err
	}
	a.voice.Result("secret %s removed", say.Clean(name))
	return nil
}
