package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control/hail"
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
	return c.upgraded(ctx, hail.SSH, nil)
}

// Exec opens a connection for one command and sends first on it, without
// waiting for the answer in between. Where descriptors cannot be carried, since
// the supervisor is on another machine, it is errors.ErrUnsupported. ctx bounds
// the opening alone.
func (c *Client) Exec(ctx context.Context, first []byte) (*Carrier, error) {
	conn, err := c.upgraded(ctx, hail.Exec, first)
	if err == nil && !conn.carries() {
		return nil, errors.Join(errors.ErrUnsupported, conn.Close())
	}
	return conn, err
}

// Answered takes over a connection to the control socket on which Exec's words
// were written already.
func Answered(fd int) (*Carrier, error) {
	f := os.NewFile(uintptr(fd), "control socket")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", hail.Exec, err)
	}
	return answered(conn, hail.Exec)
}

func (c *Client) upgraded(ctx context.Context, protocol string, first []byte) (*Carrier, error) {
	conn, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	undo := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer undo()
	if _, err := conn.Write(append([]byte(hail.Request(protocol)), first...)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", protocol, err), conn.Close())
	}
	return answered(conn, protocol)
}

// patience is how long a supervisor may take to say that it has heard. It does
// nothing before; one that says nothing is stopped, or hangs.
const patience = 15 * time.Second

// Silent means that the supervisor is there and does not answer.
type Silent struct{ Asked string }

func (e *Silent) Error() string {
	return fmt.Sprintf("open %s: the supervisor does not answer within %s", e.Asked, patience)
}

// Hint is how to get rid of it.
func (e *Silent) Hint() string { return "nemoclaw NAME stop, which ends it, and nemoclaw NAME start" }

func answered(conn net.Conn, protocol string) (*Carrier, error) {
	made := &Carrier{Conn: conn}
	made.in = bufio.NewReader(receiver{made})
	_ = conn.SetReadDeadline(time.Now().Add(patience)) // a closed one says so when it is read
	answer, err := http.ReadResponse(made.in, nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		conn.Close()
		return nil, &Silent{protocol}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", protocol, err), conn.Close())
	}
	_ = conn.SetReadDeadline(time.Time{})
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(refusal(answer), conn.Close())
	}
	return made, nil
}
