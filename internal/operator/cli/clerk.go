package cli

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/notify"
)

// clerk serves a supervisor, which alone says this word, until it is gone.
func (a *app) clerk(args []string) error {
	place, wire, err := a.child(clerk.Word, args)
	if err != nil {
		return err
	}
	return clerk.Serve(wire, place)
}

// notify does, too.
func (a *app) notify(args []string) error {
	place, wire, err := a.child(notify.Word, args)
	if err != nil {
		return err
	}
	return notify.Serve(wire, place, notify.Usual())
}

// child is what a supervisor gave to one of its children.
func (a *app) child(word string, args []string) (place state.Sandbox, wire *os.File, err error) {
	if len(args) != 1 {
		return place, nil, say.Misused("nemoclaw NAME start", "%s: want NAME: a supervisor says this, nobody else", word)
	}
	if place, err = a.home.Place(args[0]); err != nil {
		return place, nil, err
	}
	// What ends a supervisor by a signal may reach its children too, which must
	// not be gone before it.
	signal.Ignore(syscall.SIGHUP, os.Interrupt, syscall.SIGTERM)
	wire = os.NewFile(child.Descriptor, "supervisor")
	if _, err := wire.Stat(); err != nil {
		return place, nil, say.Misused("nemoclaw NAME start", "%s: a supervisor says this, nobody else", word)
	}
	syscall.CloseOnExec(child.Descriptor)
	return place, wire, nil
}
