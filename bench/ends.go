package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// ends are the two sides between which connections are measured.
type ends struct {
	inside, outside *client
	direct          [3]string // addresses of echo, source, sink
	proxied         [3]string // the same behind the plain proxy
	proxy           int       // its PID
}

// The three servers by their place in an address list.
const (
	echoServer = iota
	sourceServer
	sinkServer
)

// hostName is the host's loopback, seen from inside.
const hostName = "host.nemoclaw.internal"

// fromInside is the address that a client in the sandbox has to use.
func fromInside(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return hostName + ":" + port
}

// openEnds starts servers, proxy and both clients; the ground ends them.
func (g *ground) openEnds(ctx context.Context) (*ends, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	var e ends
	var err error
	if e.direct, _, err = g.serve(exec.Command(g.probe, "serve")); err != nil {
		return nil, err
	}
	if e.proxied, e.proxy, err = g.serve(exec.Command(g.probe, append([]string{"proxy"}, e.direct[:]...)...)); err != nil {
		return nil, err
	}
	if e.outside, err = g.client(exec.Command(g.probe, "ask")); err != nil {
		return nil, err
	}
	if e.inside, err = g.client(g.command(ctx, box, "exec", "-T", "--", "/sandbox/probe/probe", "ask")); err != nil {
		return nil, err
	}
	return &e, g.settle(ctx)
}

// serve starts c, which lives until its standard input ends, and reads its
// three addresses.
func (g *ground) serve(c *exec.Cmd) (addresses [3]string, pid int, err error) {
	pid, err = g.offered(c, addresses[:])
	return addresses, pid, err
}

// offered is serve for any number of addresses.
func (g *ground) offered(c *exec.Cmd, addresses []string) (pid int, err error) {
	_, out, err := g.pipes(c)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(out)
	for i := range addresses {
		if !lines.Scan() {
			return 0, fmt.Errorf("%s: gave no address", c)
		}
		addresses[i] = lines.Text()
	}
	return c.Process.Pid, nil
}

// pipes starts c; the ground ends it by closing its standard input.
func (g *ground) pipes(c *exec.Cmd) (io.WriteCloser, io.Reader, error) {
	in, err := c.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return nil, nil, err
	}
	g.closers = append(g.closers, func() error {
		in.Close()
		kill := time.AfterFunc(5*time.Second, func() { _ = c.Process.Kill() })
		defer kill.Stop()
		if err := c.Wait(); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		return nil
	})
	return in, out, nil
}

// client is a running `probe ask`. It is for one goroutine.
type client struct {
	in  *json.Encoder
	out *json.Decoder
}

func (g *ground) client(c *exec.Cmd) (*client, error) {
	in, out, err := g.pipes(c)
	if err != nil {
		return nil, err
	}
	made := &client{json.NewEncoder(in), json.NewDecoder(out)}
	_, err = made.ask(request{Do: "hello"}) // it runs: what follows measures no start
	return made, err
}

type request struct {
	Do string `json:"do"`
	To string `json:"to"`
	N  int    `json:"n"`

	Often  int    `json:"often,omitempty"`
	Two    bool   `json:"two,omitempty"` // requests: HTTP/2
	CA     string `json:"ca,omitempty"`  // requests: trusted, in place of what is there
	Script script `json:"script"`
}

// script is what a call asks of the probe's model.
type script struct {
	Think  time.Duration `json:"think"`
	Tokens int           `json:"tokens"`
	Pace   time.Duration `json:"pace"`
}

type answer struct {
	Took  []time.Duration `json:"took"`
	Whole time.Duration   `json:"whole"` // of requests
	At    int64           `json:"at"`
	Error string          `json:"error"`
}

// ask sends r and waits for the answer.
func (c *client) ask(r request) (answer, error) {
	var a answer
	if err := c.in.Encode(r); err != nil {
		return a, err
	}
	if err := c.out.Decode(&a); err != nil {
		return a, fmt.Errorf("the client: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// later is ask in the background.
func (c *client) later(r request) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		a, err := c.ask(r)
		done <- outcome{a, err}
	}()
	return done
}

type outcome struct {
	answer
	err error
}
