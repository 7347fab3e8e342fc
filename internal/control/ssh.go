package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// The protocols of the Upgrade header; each has a route of its name.
const (
	sshProtocol  = "ssh"
	execProtocol = "exec"
)

// upgrade makes the route that leaves HTTP for a protocol, which serve speaks.
func (a *api) upgrade(protocol string, serve func(context.Context, *Carrier) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
			refuse(w, http.StatusUpgradeRequired, fmt.Errorf("%s: want the header Upgrade: %s", protocol, protocol))
			return
		}
		a.upgraded.Add(1)
		defer a.upgraded.Done()
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			refuse(w, http.StatusInternalServerError, fmt.Errorf("%s: %w", protocol, err))
			return
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n"); err != nil {
			return
		}
		// What goes wrong from here on, the protocol tells the peer itself.
		_ = serve(r.Context(), &Carrier{Conn: conn, in: buffered.Reader})
	}
}

// SSH opens a connection that speaks the SSH protocol: connect, exec and copy.
// ctx bounds the opening alone.
func (c *Client) SSH(ctx context.Context) (net.Conn, error) {
	return c.upgraded(ctx, sshProtocol, nil)
}

// Exec opens a connection for one command and sends first on it, without
// waiting for the answer in between. Where descriptors cannot be carried, since
// the supervisor is on another machine, it is errors.ErrUnsupported. ctx bounds
// the opening alone.
func (c *Client) Exec(ctx context.Context, first []byte) (*Carrier, error) {
	conn, err := c.upgraded(ctx, execProtocol, first)
	if err == nil && !conn.carries() {
		return nil, errors.Join(errors.ErrUnsupported, conn.Close())
	}
	return conn, err
}

func (c *Client) upgraded(ctx context.Context, protocol string, first []byte) (*Carrier, error) {
	conn, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	undo := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer undo()
	request := "POST /v1/" + protocol + " HTTP/1.1\r\nHost: sandbox\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\nContent-Length: 0\r\n\r\n"
	if _, err := conn.Write(append([]byte(request), first...)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", protocol, err), conn.Close())
	}
	made := &Carrier{Conn: conn}
	made.in = bufio.NewReader(receiver{made})
	answer, err := http.ReadResponse(made.in, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", protocol, err), conn.Close())
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(refusal(answer), conn.Close())
	}
	return made, nil
}
