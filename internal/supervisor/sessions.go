package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/session"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// sessionServer makes what serves connect and exec. Its host key is made at
// the sandbox's first start.
func (k *keeper) sessionServer() (func(context.Context, net.Conn) error, error) {
	file, err := os.ReadFile(k.place.HostKeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = session.NewKey(k.settings.Name); err == nil {
			err = state.WriteDurable(k.place.HostKeyFile(), file, 0o600)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	key, err := session.ParseKey(file)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, conn net.Conn) error {
		return session.Serve(ctx, conn, key, sessionBox{k, control.By(ctx)})
	}, nil
}

// sessionBox is the sandbox as one operator's sessions see it: a session that
// names no command gets the blueprint's login, and each one is in the book. It
// implements session.Box.
type sessionBox struct {
	*keeper
	by string
}

func (b sessionBox) Run(ctx context.Context, c spec.Command) (session.Process, error) {
	if len(c.Argv) == 0 {
		c.Argv = b.content.Manifest.Login
	}
	b.record.Event(audit.Event{Kind: audit.Session, Verdict: "allow", By: b.by, Target: c.Argv[0]})
	p, err := b.disk.inside.run(ctx, b.box, c)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (b sessionBox) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	b.record.Event(audit.Event{Kind: audit.Session, Verdict: "allow", By: b.by, Target: "forward to " + addr})
	return b.box.Dial(ctx, to)
}
