package store

import (
	"context"
	"sync"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

// archive finds Debian's mirrors when the first package is missing, and once.
type archive struct {
	find func(context.Context) (*registry.Mirrors, error)

	once  sync.Once
	found *registry.Mirrors
	err   error
}

func (a *archive) parcel(d blueprint.Deb) parcel {
	return parcel{name: d.String(), sum: d.Digest, open: func(ctx context.Context, offset int64) (registry.Tarball, error) {
		a.once.Do(func() { a.found, a.err = a.find(ctx) })
		if a.err != nil {
			return registry.Tarball{}, a.err
		}
		return a.found.Deb(ctx, d.String(), d.Path, offset)
	}}
}
