package onboard

import (
	"context"
	"fmt"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Prepare makes a blueprint whole here, if it fits this machine, and shows bytes
// and the time left. The supervisor that is started next reads every file of it.
func Prepare(ctx context.Context, v *say.Voice, s *store.Store, ref blueprint.Ref) (store.Content, error) {
	info, err := s.Inspect(ref)
	if err != nil {
		return store.Content{}, err
	}
	if err := host.Fits(info.Manifest.Identity); err != nil {
		return store.Content{}, err
	}
	d := display{voice: v, ref: ref}
	return s.Prepare(ctx, ref, d.show)
}

// EnsureBase makes the base of a ready, and gives its folder; "" is this
// machine's own /usr.
func EnsureBase(ctx context.Context, v *say.Voice, s *store.Store, a blueprint.Artifact) (string, error) {
	d := display{voice: v, ref: a.Manifest.Ref()}
	return s.EnsureBase(ctx, a, d.show)
}

func (s Setup) prepare(ctx context.Context, ref blueprint.Ref) (store.Content, error) {
	return Prepare(ctx, s.Voice, s.Store, ref)
}

// prepareDigest makes whole what a sandbox was made of, and nothing else that
// may be called the same now.
func (s Setup) prepareDigest(ctx context.Context, b state.Blueprint) error {
	ref, err := RefOf(b)
	if err != nil {
		return err
	}
	_, err = s.prepare(ctx, ref)
	return err
}

// RefOf names a sandbox's blueprint by its digest.
func RefOf(b state.Blueprint) (blueprint.Ref, error) {
	digest, err := blueprint.ParseDigest(b.Digest)
	if err != nil {
		return blueprint.Ref{}, fmt.Errorf("blueprint %s@%s: %w", b.Name, b.Version, err)
	}
	return blueprint.Ref{Name: b.Name, Version: b.Version, Digest: digest}, nil
}

// display shows how far a blueprint is: one line that changes on a terminal,
// else a line when a phase begins and ends, and every few seconds between.
type display struct {
	voice *say.Voice
	ref   blueprint.Ref
	phase store.Phase
	last  time.Time
}

// between is the least time between two plain lines of one phase.
const between = 5 * time.Second

func (d *display) show(s store.Step) {
	line := d.line(s)
	if d.voice.ErrTTY && !s.Done {
		d.voice.Passing("%s", line)
		return
	}
	if s.Phase == d.phase && !s.Done && time.Since(d.last) < between {
		return
	}
	if s.Phase == d.phase && s.Done && d.last.IsZero() {
		return
	}
	d.phase, d.last = s.Phase, time.Now()
	d.voice.News("%s", line)
}

var doing = map[store.Phase]string{
	store.Waiting:   "waiting for another nemoclaw to",
	store.Fetching:  "fetching",
	store.Unpacking: "unpacking",
	store.Checking:  "checking every file",
}

func (d *display) line(s store.Step) string {
	line := fmt.Sprintf("Blueprint %s: %s", d.ref, doing[s.Phase])
	switch {
	case s.Phase == store.Waiting:
		return line + " " + s.Item
	case s.BytesTotal > 0:
		line += fmt.Sprintf(": %s of %s", say.Bytes(s.Bytes), say.Bytes(s.BytesTotal))
	case s.Bytes > 0:
		line += ": " + say.Bytes(s.Bytes)
	}
	if s.FilesTotal > 0 {
		line += fmt.Sprintf(" (%d of %d)", s.Files, s.FilesTotal)
	}
	switch {
	case s.Done:
		line += ", done"
	case s.Left > 0:
		line += ", " + say.Span(s.Left) + " left"
	}
	return line
}
