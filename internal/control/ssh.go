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

const protocol = "ssh" // of the Upgrade header

func (a *api) ssh(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
		refuse(w, http.StatusUpgradeRequired, errors.New("ssh: want the header Upgrade: ssh"))
		return
	}
	a.upgraded.Add(1)
	defer a.upgraded.Done()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, fmt.Errorf("ssh: %w", err))
		return
	}
	defer conn.Close()
	const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"
	if _, err := io.WriteString(conn, switching); err != nil {
		return
	}
	// What goes wrong from here on, the SSH protocol tells the peer itself.
	_ = a.sandbox.SSH(r.Context(), &ahead{Conn: conn, in: buffered.Reader})
}

// ahead is a connection of which some bytes have been read already.
type ahead struct {
	net.Conn
	in *bufio.Reader
}

func (c *ahead) Read(p []byte) (int, error) {
	if c.in.Buffered() > 0 {
		return c.in.Read(p)
	}
	return c.Conn.Read(p)
}

// SSH opens a connection that speaks the SSH protocol: connect, exec and copy.
// ctx bounds the opening alone.
func (c *Client) SSH(ctx context.Context) (net.Conn, error) {
	conn, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	undo := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer undo()
	const request = "POST /v1/ssh HTTP/1.1\r\nHost: sandbox\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\nContent-Length: 0\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, errors.Join(fmt.Errorf("open ssh: %w", err), conn.Close())
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ssh: %w", err), conn.Close())
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(refusal(answer), conn.Close())
	}
	return &ahead{Conn: conn, in: in}, nil
}
