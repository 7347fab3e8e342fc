package throwaway

import (
	"context"
	"fmt"
	"os"

	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/plan"
)

// Input is what the sandbox of every run is planned from: it stands on system,
// and has dir for its /sandbox.
func Input(system plan.System, dir string) plan.Input {
	return plan.Input{Name: "run", System: system, Workspace: dir, Limits: plan.Limits{Files: 4096, TmpBytes: 1 << 30}}
}

// Raise makes begun the sandbox that in plans, and returns when its walls are
// proved.
func Raise(ctx context.Context, begun *launch.Expected, in plan.Input) (*launch.Box, error) {
	if err := hand(ctx, begun, in); err != nil {
		return nil, err
	}
	return begun.Stand(ctx)
}

// hand has begun begin to obey what in plans.
func hand(ctx context.Context, begun *launch.Expected, in plan.Input) error {
	s, err := plan.Make(in)
	if err != nil {
		return err
	}
	s.Once = true
	if os.Geteuid() == 0 {
		uid, gid := begun.User()
		if err := os.Chown(in.Workspace, int(uid), int(gid)); err != nil {
			return fmt.Errorf("give the sandbox its folder: %w", err)
		}
	}
	return begun.Hand(ctx, s)
}
