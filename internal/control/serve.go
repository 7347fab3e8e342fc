package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of one request and of our patience. Streams have no end of their own.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 5 * time.Second
	idleTimeout   = time.Minute
	farewell      = 2 * time.Second // for replies under way when Serve ends
	maxHeader     = 16 << 10
	maxBody       = 64 << 10
)

// Serve answers the operator on ln until ctx ends, and closes ln. Replies
// under way are finished, streams and SSH connections are ended and waited for.
func Serve(ctx context.Context, ln net.Listener, s Sandbox) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := &api{sandbox: s}
	server := &http.Server{
		Handler:           guard(api.routes()),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
	}
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() { ended <- farewellTo(server) })
	err := server.Serve(ln)
	cancel()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	err = errors.Join(err, <-ended)
	api.upgraded.Wait()
	if err != nil {
		return fmt.Errorf("serve control socket: %w", err)
	}
	return nil
}

func farewellTo(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	return err
}

// api is one sandbox's routes.
type api struct {
	sandbox  Sandbox
	upgraded sync.WaitGroup // connections that left HTTP
}
