package cli

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
)

// clerk serves a supervisor, which alone says this word, until it is gone.
func (a *app) clerk(args []string) error {
	if len(args) != 1 {
		return say.Misused("nemoclaw NAME start", "clerk: want NAME: a supervisor says this, nobody else")
	}
	name, err := state.ParseName(args[0])
	if err != nil {
		return err
	}
	// What ends a supervisor by a signal may reach its clerk too, which must not
	// be gone before it.
	signal.Ignore(syscall.SIGHUP, os.Interrupt, syscall.SIGTERM)
	wire := os.NewFile(clerk.Descriptor, "supervisor")
	if _, err := wire.Stat(); err != nil {
		return say.Misused("nemoclaw NAME start", "clerk: a supervisor says this, nobody else")
	}
	syscall.CloseOnExec(clerk.Descriptor)
	return clerk.Serve(wire, a.home.Sandbox(name))
}
