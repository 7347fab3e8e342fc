package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: warm FOLDER NAME …")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := fill(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func fill(ctx context.Context, dir string, names []string) error {
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	list, damaged, err := s.List()
	if err := errors.Join(err, damaged); err != nil {
		return err
	}
	for _, i := range list {
		if i.Ready || !slices.Contains(names, i.Manifest.Name) || i.Manifest.RunsOn(blueprint.Here()) != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "· making blueprint %s ready in %s\n", i.Manifest.Ref(), dir)
		if _, err := s.Ensure(ctx, i.Manifest.Ref(), told()); err != nil {
			return fmt.Errorf("make blueprint %s ready: %w", i.Manifest.Ref(), err)
		}
	}
	return nil
}

// told prints the end of each phase.
func told() store.Progress {
	return func(s store.Step) {
		if s.Done {
			fmt.Fprintf(os.Stderr, "·   %s: %d files, %d MB\n", s.Phase, s.FilesTotal, s.BytesTotal/1_000_000)
		}
	}
}
