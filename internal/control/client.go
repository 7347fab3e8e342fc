package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// Client speaks to one supervisor. It is safe for concurrent use. Its errors
// are *NotRunning, *Refusal, or of the connection.
type Client struct {
	http *http.Client
	open func(context.Context) (net.Conn, error)
}

// Dial is a client of the supervisor at socketPath, …/NAME/run/control.sock.
// Nothing is connected until a method is called.
func Dial(socketPath string) *Client {
	name := filepath.Base(filepath.Dir(filepath.Dir(socketPath)))
	return New(name, func(ctx context.Context) (net.Conn, error) { return dial(ctx, socketPath) })
}

// New is a client of the sandbox called name over the connections that open
// makes, wherever its supervisor runs.
func New(name string, open func(context.Context) (net.Conn, error)) *Client {
	checked := func(ctx context.Context) (net.Conn, error) {
		conn, err := open(ctx)
		if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
			return nil, &NotRunning{name, err}
		}
		if err != nil {
			return nil, fmt.Errorf("reach supervisor of %q: %w", name, err)
		}
		return conn, nil
	}
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return checked(ctx) },
		DisableCompression: true,
		MaxIdleConns:       2,
		// A supervisor that is stopped, or hangs, must not hold the operator for
		// ever. The longest honest answer is Verify's.
		ResponseHeaderTimeout: 90 * time.Second,
	}
	return &Client{http: &http.Client{Transport: transport}, open: checked}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the health overview.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Approvals lists the questions to the operator.
func (c *Client) Approvals(ctx context.Context) ([]Approval, error) {
	return call[[]Approval](ctx, c, http.MethodGet, "/v1/approvals", nil)
}

// Answer answers one of them; when it returns, the answer is durable.
func (c *Client) Answer(ctx context.Context, id string, a Answer) (Approval, error) {
	return call[Approval](ctx, c, http.MethodPost, "/v1/approvals/"+url.PathEscape(id), a)
}

// ReloadPolicy puts network-policy.yaml as it is on disk in force.
func (c *Client) ReloadPolicy(ctx context.Context) (Reloaded, error) {
	return call[Reloaded](ctx, c, http.MethodPost, "/v1/reload/policy", nil)
}

// ReloadInference puts inference.yaml as it is on disk in force.
func (c *Client) ReloadInference(ctx context.Context) (Reloaded, error) {
	return call[Reloaded](ctx, c, http.MethodPost, "/v1/reload/inference", nil)
}

// Inference is what the router goes by now.
func (c *Client) Inference(ctx context.Context) (InferencePolicy, error) {
	return call[InferencePolicy](ctx, c, http.MethodGet, "/v1/inference", nil)
}

// Verify tries the harmless escapes inside.
func (c *Client) Verify(ctx context.Context) (Verified, error) {
	return call[Verified](ctx, c, http.MethodPost, "/v1/verify", nil)
}

// Stop returns once the sandbox is gone.
func (c *Client) Stop(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/stop", nil)
	return err
}

// Events follows the book from now on: when it returns, nothing that happens
// later is missed. ctx bounds the stream's whole life.
func (c *Client) Events(ctx context.Context) (*Stream[audit.Event], error) {
	body, err := c.do(ctx, http.MethodGet, "/v1/events?follow=1", nil)
	if err != nil {
		return nil, err
	}
	return newStream[audit.Event](body), nil
}

// View is Events for a view in which an operator sees questions and can answer
// them: as long as one is open, nobody is notified in another way.
func (c *Client) View(ctx context.Context) (*Stream[audit.Event], error) {
	body, err := c.do(ctx, http.MethodGet, "/v1/events?follow=1&view=1", nil)
	if err != nil {
		return nil, err
	}
	return newStream[audit.Event](body), nil
}

// Calls follows model calls as they are answered. ctx bounds the stream's whole
// life.
func (c *Client) Calls(ctx context.Context) (*Stream[Underway], error) {
	body, err := c.do(ctx, http.MethodGet, "/v1/calls?follow=1", nil)
	if err != nil {
		return nil, err
	}
	return newStream[Underway](body), nil
}

// Logs yields the last lines of the agent's output and, with follow, what
// comes. ctx bounds the stream's whole life.
func (c *Client) Logs(ctx context.Context, lines int, follow bool) (*Stream[string], error) {
	query := url.Values{"lines": {strconv.Itoa(lines)}}
	if follow {
		query.Set("follow", "1")
	}
	body, err := c.do(ctx, http.MethodGet, "/v1/logs?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return newStream[string](body), nil
}

func call[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	body, err := c.do(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("%s %s: read reply: %w", method, path, err)
	}
	return out, nil
}

func (c *Client) do(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://sandbox"+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	answer, err := c.http.Do(request)
	if down := (*NotRunning)(nil); errors.As(err, &down) {
		return nil, down
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, errors.Unwrap(err))
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		return nil, refusal(answer)
	}
	return answer.Body, nil
}
