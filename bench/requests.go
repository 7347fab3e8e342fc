package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// How many requests are measured: one after the other, and by many hands at
// once.
const (
	requestTurns  = 7
	requestsAlone = 200
	requestHands  = 16
	requestsEach  = 60
)

// measureRequests compares HTTP requests that the gate reads, TLS ended and
// begun anew, with the same through the standard library's reverse proxy.
func measureRequests(ctx context.Context, g *ground) ([]row, error) {
	s, err := g.openSecure(ctx)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, two := range []bool{false, true} {
		r, err := s.protocol(two)
		rows = append(rows, r...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// sites are the ways to one server of HTTP by TLS.
type sites struct {
	inside, outside  *client
	direct, reversed string
	ca               string
}

// openSecure starts server and proxy. The supervisor starts anew, to trust the
// server's authority, which is in SSL_CERT_FILE of its starter.
func (g *ground) openSecure(ctx context.Context) (*sites, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	file := filepath.Join(g.dir, "authority")
	var direct, reversed [1]string
	if _, err := g.offered(exec.Command(g.probe, "secure", file), direct[:]); err != nil {
		return nil, err
	}
	if _, err := g.offered(exec.Command(g.probe, "secure-reverse", direct[0], file), reversed[:]); err != nil {
		return nil, err
	}
	s := &sites{direct: direct[0], reversed: reversed[0], ca: file + ".pem"}
	if err := s.allow(ctx, g); err != nil {
		return nil, err
	}
	var err error
	if s.outside, err = g.client(exec.Command(g.probe, "ask")); err != nil {
		return nil, err
	}
	s.inside, err = g.client(g.command(ctx, box, "exec", "-T", "--", "/sandbox/probe/probe", "ask"))
	return s, err
}

func (s *sites) allow(ctx context.Context, g *ground) error {
	_, port, _ := strings.Cut(s.direct, ":")
	text := fmt.Sprintf("egress:\n  - {host: %s, port: %s, http: [{methods: [GET], paths: [\"/**\"]}]}\nunlisted: deny\n", hostName, port)
	if err := save(g.sandbox().PolicyFile(), text); err != nil {
		return err
	}
	restart := g.command(ctx, box, "restart")
	restart.Env = append(restart.Env, "SSL_CERT_FILE="+s.ca)
	_, err := timed(restart)
	return err
}

// protocol measures HTTP/1.1 or HTTP/2.
func (s *sites) protocol(two bool) ([]row, error) {
	name := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[two]
	alone, whole := make([]sample, 2), make([]sample, 2)
	for turn := range requestTurns + 1 {
		for i, w := range []struct {
			client *client
			to, ca string
		}{{s.inside, fromInside(s.direct), ""}, {s.outside, s.reversed, s.ca}} {
			one, err := w.client.ask(request{Do: "requests", To: w.to, N: requestsAlone, Often: 1, Two: two, CA: w.ca})
			if err != nil {
				return nil, fmt.Errorf("%s to %s: %w", name, w.to, err)
			}
			many, err := w.client.ask(request{Do: "requests", To: w.to, N: requestsEach, Often: requestHands, Two: two, CA: w.ca})
			if err != nil {
				return nil, fmt.Errorf("%s to %s: %w", name, w.to, err)
			}
			if turn > 0 { // the first turn warms up
				alone[i], whole[i] = append(alone[i], one.Took...), append(whole[i], many.Whole)
			}
		}
	}
	rate := func(s sample) float64 { return requestHands * requestsEach / s.median().Seconds() }
	const peer = "the standard library's reverse proxy, no sandbox"
	what := "gate: requests read, TLS on both sides, " + name + ", "
	return []row{
		faster(what+fmt.Sprintf("%d at once", requestHands), rate(whole[0]), peer, rate(whole[1]), 0, "/s"),
		beside(what+"one by one, p50", alone[0].median(), peer, alone[1].median(), 0),
		beside(what+"one by one, p99", alone[0].p99(), peer, alone[1].p99(), 0),
	}, nil
}
