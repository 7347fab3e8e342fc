package store

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// source finds the registry when the first package is missing, and once: with
// a warm cache nobody is asked.
type source struct {
	find func(context.Context) (*registry.Registry, error)

	mu    sync.Mutex
	found *registry.Registry // guarded by mu
	err   error              // guarded by mu
}

// parcel is a package of the registry.
func (s *source) parcel(p blueprint.Package) parcel {
	return parcel{name: p.String(), sum: p.Integrity, open: func(ctx context.Context, offset int64) (registry.Tarball, error) {
		r, err := s.get(ctx)
		if err != nil {
			return registry.Tarball{}, err
		}
		return r.Tarball(ctx, p.Name, p.Version, offset)
	}}
}

func (s *source) get(ctx context.Context) (*registry.Registry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil && s.err == nil {
		s.found, s.err = s.find(ctx)
	}
	return s.found, s.err
}

// watch ends an exchange in which nothing moves any more.
type watch struct {
	cancel context.CancelCauseFunc
	ctx    context.Context
	timer  *time.Timer
}

func newWatch(ctx context.Context) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel, ctx: ctx}
	w.timer = time.AfterFunc(stalled, func() { cancel(fmt.Errorf("nothing came for %s", stalled)) })
	return ctx, w
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// why is err, or the stall that caused it.
func (w *watch) why(err error) error {
	if cause := context.Cause(w.ctx); cause != nil && cause != context.Canceled {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

func (w *watch) reader(r io.Reader) io.Reader { return watched{r, w.timer} }

type watched struct {
	io.Reader
	timer *time.Timer
}

func (w watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if n > 0 {
		w.timer.Reset(stalled)
	}
	return n, err
}
