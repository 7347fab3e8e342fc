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
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor"
)

// supervisorWord opens the supervisor's door. It is no command of the tree:
// drivers and boot systems say it, people say start.
const supervisorWord = "supervisor"

// supervise keeps one sandbox until it ends or the process is told to.
func (a *app) supervise(args []string) error {
	name, fd, err := supervised(args)
	if err != nil {
		return err
	}
	report, err := native.OpenReport(fd)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGHUP) // it outlives the terminal that it was started from
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = supervisor.Run(ctx, a.home.Sandbox(name), supervisor.Options{
		Progress: report.Tell,
		Ready:    func(control.Status) { report.Ready() },
	})
	if err != nil {
		report.Fail(err)
	}
	return err
}

// supervised reads NAME [--report FD].
func supervised(args []string) (state.Name, int, error) {
	if len(args) != 1 && (len(args) != 3 || args[1] != "--report") {
		return "", 0, say.Misused("nemoclaw NAME start", "supervisor: want NAME [--report FD]")
	}
	name, err := state.ParseName(args[0])
	if err != nil || len(args) == 1 {
		return name, 0, err
	}
	fd, err := strconv.Atoi(args[2])
	if err != nil || fd < 3 {
		return "", 0, say.Misused("", "supervisor: --report %q: want the number of a pipe", args[2])
	}
	return name, fd, nil
}
