package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// handshakeTime bounds what a client may take before it is one.
const handshakeTime = 10 * time.Second

// Serve speaks SSH on conn, whose peer has been authenticated, until the peer
// leaves or ctx ends. It closes conn, and returns when every program that ran
// for it has ended or was killed.
func Serve(ctx context.Context, conn net.Conn, key ssh.Signer, box Box) error {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	config := &ssh.ServerConfig{Config: algorithms, NoClientAuth: true, ServerVersion: "SSH-2.0-nemoclaw"}
	config.AddHostKey(key)
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return fmt.Errorf("ssh handshake: %w", err)
	}
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return fmt.Errorf("ssh handshake: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("ssh handshake: %w", err)
	}
	var all sync.WaitGroup
	all.Go(func() { ssh.DiscardRequests(requests) }) // refuses every one, tcpip-forward and streamlocal-forward too
	for channel := range channels {
		all.Go(func() { serveChannel(ctx, channel, box) })
	}
	cancel() // the peer has gone: so must what ran for it
	all.Wait()
	if err := server.Wait(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve ssh: %w", err)
	}
	return nil
}

func serveChannel(ctx context.Context, c ssh.NewChannel, box Box) {
	switch c.ChannelType() {
	case "session":
		serveSession(ctx, c, box)
	case "direct-tcpip":
		forward(ctx, c, box)
	default:
		_ = c.Reject(ssh.Prohibited, c.ChannelType()+": not offered by a sandbox")
	}
}
