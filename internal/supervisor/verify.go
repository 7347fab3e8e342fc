package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/plan"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/throwaway"
	"github.com/nemoclaw/nemoclaw/internal/tries"
)

// verifyFor bounds all tries of one Verify; they take a second at most.
const verifyFor = 30 * time.Second

// Verify tries the harmless escapes inside, as the agents would, and says of
// each what it met. What the walls refuse makes its events as always.
func (o offers) Verify(ctx context.Context) (control.Verified, error) {
	known := tries.Sandbox{
		NetworkOff: o.settings.Walls.NetworkOff, FilesystemOff: o.settings.Walls.FilesystemOff,
		ABI: o.box.ABI(), Router: true, Allowed: o.settings.Walls.Syscalls,
	}
	v, err := verify(ctx, o.box, known)
	if err != nil {
		return control.Verified{}, err
	}
	if known.NetworkOff {
		v.Off = append(v.Off, string(spec.NetworkWall))
	}
	if known.FilesystemOff {
		v.Off = append(v.Off, string(spec.FilesystemWall))
	}
	verdict := "allow"
	if n := v.Through(); n > 0 {
		verdict = "deny"
		o.log.Say("verify: %d of %d escapes got through", n, len(v.Tries))
	}
	o.record.Event(audit.Event{
		Kind: audit.Session, Verdict: verdict, By: control.By(ctx), Target: "verify",
		Why: fmt.Sprintf("%d escapes, %d got through", len(v.Tries), v.Through()),
	})
	return v, nil
}

// verify runs the program of the tries in box and judges what it says.
func verify(ctx context.Context, box *launch.Box, known tries.Sandbox) (control.Verified, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyFor)
	defer cancel()
	program := launch.LoadTries()
	defer program.Close()
	said, err := say(ctx, box, program)
	if err != nil {
		return control.Verified{}, fmt.Errorf("verify the walls: %w", err)
	}
	v := control.Verified{ABI: known.ABI}
	for _, t := range tries.All() {
		r := t.Of(said)
		tried := control.Tried{ID: t.ID, Wall: string(t.Wall), What: t.What, Refused: r.Refused, Got: r.Got}
		if left := t.Left(known); left != "" {
			tried.Refused, tried.Got, tried.Left = false, "", left
		}
		v.Tries = append(v.Tries, tried)
	}
	return v, nil
}

// say runs program to its end. An end before its last word is in what is
// missing of its report.
func say(ctx context.Context, box *launch.Box, program *launch.Program) (map[string]tries.Report, error) {
	p, err := box.RunProgram(ctx, program, "nemoclaw-tries")
	if err != nil {
		return nil, err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = p.Signal(unix.SIGKILL) // one that has ended needs none
		_ = p.Close()              // and an agent may hold its streams
	})
	defer stop()
	if err := p.Stdin().Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, p.Stderr()) }() // ends with p
	return tries.Read(p.Stdout())
}

// VerifyHost makes a sandbox with nothing in it, tries the escapes there, and
// takes it away again: what this machine's kernel does for one that does not
// exist yet.
func VerifyHost(ctx context.Context) (control.Verified, error) {
	begun, err := BeginOnce()
	if err != nil {
		return control.Verified{}, err
	}
	defer begun.Close()
	place, err := throwaway.MakePlace()
	if err != nil {
		return control.Verified{}, err
	}
	defer place.Remove(state.RemoveTree) //nolint:errcheck // a later run tries again
	dir := place.Workspace()
	s, err := plan.Make(plan.Input{Name: "doctor", System: host.System(), Workspace: dir, Limits: plan.Limits{Files: 1024, TmpBytes: 16 << 20}})
	if err != nil {
		return control.Verified{}, err
	}
	if os.Geteuid() == 0 {
		uid, gid := begun.User()
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return control.Verified{}, fmt.Errorf("give the sandbox its folder: %w", err)
		}
	}
	box, err := begun.Start(ctx, s)
	if err != nil {
		return control.Verified{}, err
	}
	defer func() {
		_ = box.Kill() // its end is what we want
		_ = box.Wait()
	}()
	for _, h := range box.Sockets() {
		h.File.Close() // nobody is there: every connection is refused at once
	}
	if n := box.Notify(); n != nil {
		go func() {
			// Its end is the sandbox's.
			_ = refuseCalls(n, nil, box.Look, func(audit.Event) {})
		}()
	}
	return verify(ctx, box, tries.Sandbox{ABI: box.ABI()})
}
