package cli

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/driver/native"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/supervisor"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/content"
)

// supervisorWord opens the supervisor's door. It is no command of the tree:
// drivers and boot systems say it, people say start.
const supervisorWord = "supervisor"

// supervise keeps one sandbox until it ends or the process is told to.
func (a *app) supervise(args []string) error {
	word, err := supervised(args)
	if err != nil {
		return err
	}
	place, err := a.home.Place(word.place)
	if err != nil {
		return err
	}
	report, err := native.OpenReport(word.report)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGHUP) // it outlives the terminal that it was started from
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, err = native.While(ctx, word.while)
	if err != nil {
		return err
	}
	err = supervisor.Run(ctx, place, supervisor.Options{
		Content:  content.Open,
		Progress: report.Tell,
		Ready:    func(control.Status) { report.Ready() },
	})
	if err != nil {
		report.Fail(err)
	}
	return err
}

// supervisedWord is what a supervisor's command line says.
type supervisedWord struct {
	place  string // NAME, or NAME/trial
	report int    // the number of a pipe; 0 for none
	while  int    // of another: the supervisor ends when its other end is closed
}

// supervised reads PLACE [--report FD] [--while FD].
func supervised(args []string) (supervisedWord, error) {
	var w supervisedWord
	if len(args)%2 != 1 || len(args) > 5 {
		return w, say.Misused("nemoclaw NAME start", "supervisor: want NAME [--report FD] [--while FD]")
	}
	w.place = args[0]
	for i := 1; i < len(args); i += 2 {
		fd, err := strconv.Atoi(args[i+1])
		if err != nil || fd < 3 {
			return w, say.Misused("", "supervisor: %s %q: want the number of a pipe", args[i], args[i+1])
		}
		switch args[i] {
		case "--report":
			w.report = fd
		case "--while":
			w.while = fd
		default:
			return w, say.Misused("nemoclaw NAME start", "supervisor: unexpected word %q", args[i])
		}
	}
	return w, nil
}
