package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) logsCommand() *cobra.Command {
	var follow bool
	var lines int
	c := &cobra.Command{
		Use:   "logs",
		Short: "the last lines of the agent's output",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if lines < 0 {
				return say.Misused("-n 100", "logs: %d lines: not a number of lines", lines)
			}
			return t.logs(c.Context(), lines, follow)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "and what comes, until Ctrl-C")
	c.Flags().IntVarP(&lines, "lines", "n", 100, "how many of the last lines")
	return c
}

func (t target) logs(ctx context.Context, lines int, follow bool) error {
	s, client, err := t.dial(ctx)
	if down := (*driver.NotRunning)(nil); errors.As(err, &down) {
		if follow {
			t.app.voice.News("%s is not running: these are its last lines", s.Name())
		}
		return t.app.storedLogs(s, lines)
	}
	if err != nil {
		return err
	}
	stream, err := client.Logs(ctx, lines, follow)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		line, err := stream.Next()
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil // the end of the stream, or of the operator's interest
		}
		if err != nil {
			return err
		}
		t.app.voice.Result("%s", say.CleanLines(line))
	}
}

// storedLogs prints the last lines of a log that nobody writes.
func (a *app) storedLogs(s state.Sandbox, lines int) error {
	f, err := os.Open(s.AgentLog())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	last, err := tail(f, lines)
	for _, line := range last {
		a.voice.Result("%s", say.CleanLines(line))
	}
	return err
}

// tail keeps the last n lines of r; a line longer than a mebibyte ends it.
func tail(r io.Reader, n int) ([]string, error) {
	var last []string
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		last = append(last, in.Text())
		if len(last) > 2*n+1000 {
			last = append(last[:0], last[len(last)-n:]...)
		}
	}
	return last[max(0, len(last)-n):], in.Err()
}
