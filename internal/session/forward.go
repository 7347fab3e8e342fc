package session

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"
)

// forward joins c with an address of the sandbox's loopback.
func forward(ctx context.Context, c ssh.NewChannel, box Box) {
	addr, err := loopback(c.ExtraData())
	if err != nil {
		_ = c.Reject(ssh.Prohibited, err.Error())
		return
	}
	inside, err := box.Dial(ctx, "tcp", addr)
	if err != nil {
		_ = c.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer inside.Close()
	outside, requests, err := c.Accept()
	if err != nil {
		return
	}
	defer outside.Close()
	stop := context.AfterFunc(ctx, func() { _ = inside.Close() })
	defer stop()
	var both sync.WaitGroup
	go ssh.DiscardRequests(requests) // ends with the channel
	both.Go(func() { pump(inside, outside) })
	both.Go(func() { pump(outside, inside) })
	both.Wait()
}

// pump copies and passes the end of the stream on.
func pump(to io.Writer, from io.Reader) {
	_, _ = io.Copy(to, from) // either end may go at any time
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// loopback is the address that a direct-tcpip channel asks for, if it is one
// of the sandbox's own.
func loopback(extra []byte) (string, error) {
	var ask directTCPIP
	if err := ssh.Unmarshal(extra, &ask); err != nil {
		return "", fmt.Errorf("direct-tcpip: %w", err)
	}
	if ask.Port == 0 || ask.Port > 65535 {
		return "", fmt.Errorf("direct-tcpip: port %d: not in 1–65535", ask.Port)
	}
	host := ask.Host
	if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Unmap().IsLoopback() {
		return "", fmt.Errorf("direct-tcpip: %q: only the sandbox's own loopback can be reached", ask.Host)
	}
	return net.JoinHostPort(addr.Unmap().WithZone("").String(), strconv.Itoa(int(ask.Port))), nil
}
