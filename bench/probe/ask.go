package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// request is one line that the bench writes.
type request struct {
	Do string `json:"do"` // hello, echo, tunnel, down, up, reached, refused, first, gaps, requests
	To string `json:"to"` // host:port; tunnel: that of an HTTP proxy, a space, the destination
	N  int    `json:"n"`  // echo, tunnel: connections; requests: in each hand; down, up: bytes; first, gaps: calls at once

	Often  int    `json:"often"`  // first, gaps: calls one after the other; requests: hands at once
	Two    bool   `json:"two"`    // requests: HTTP/2
	CA     string `json:"ca"`     // requests: a file of what is trusted; "": what is trusted here
	Script script `json:"script"` // first, gaps: what each call asks for
}

// answer is the line that comes back. Times are nanoseconds.
type answer struct {
	Took  []int64 `json:"took,omitempty"`
	Whole int64   `json:"whole,omitempty"`
	At    int64   `json:"at,omitempty"` // of the wall clock, which all namespaces share
	Error string  `json:"error,omitempty"`
}

// ask does what each line of standard input says.
func ask() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var r request
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := do(r)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

func do(r request) (answer, error) {
	if r.Do == "hello" {
		return answer{}, nil
	}
	if proxy, to, ok := strings.Cut(r.To, " "); ok && r.Do == "tunnel" {
		return repeat(r.N, func() error { return tunnelled(proxy, to) })
	}
	host, port, err := net.SplitHostPort(r.To)
	if err != nil {
		return answer{}, err
	}
	found, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip4", host)
	if err != nil {
		return answer{}, err
	}
	to := net.JoinHostPort(found[0].String(), port) // looked up once: the connection is what is measured
	switch r.Do {
	case "echo":
		return repeat(r.N, func() error { return echoed(to) })
	case "down":
		return repeat(1, func() error { return down(to, r.N) })
	case "up":
		return repeat(1, func() error { return up(to, r.N) })
	case "first", "gaps":
		return calls(to, r.N, r.Often, r.Script, r.Do == "gaps")
	case "requests":
		return requests(to, r)
	case "reached":
		return until(to, true)
	case "refused":
		return until(to, false)
	}
	return answer{}, fmt.Errorf("no request %q", r.Do)
}

func repeat(n int, f func() error) (a answer, err error) {
	for range n {
		began := time.Now()
		if err := f(); err != nil {
			return a, err
		}
		a.Took = append(a.Took, int64(time.Since(began)))
	}
	return a, nil
}

func dial(to string) (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp4", to, 20*time.Second)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(20 * time.Second))
}

// echoed connects and gets one byte back.
func echoed(to string) error {
	c, err := dial(to)
	if err != nil {
		return err
	}
	defer c.Close()
	b := []byte{0}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b)
	return err
}

// tunnelled is echoed through an HTTP proxy (RFC 9110, 9.3.6).
func tunnelled(proxy, to string) error {
	c, err := dial(proxy)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", to, to); err != nil {
		return err
	}
	in := bufio.NewReader(c)
	answer, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("CONNECT %s: %s", to, answer.Status)
	}
	b := []byte{0}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = io.ReadFull(in, b)
	return err
}

// down reads n bytes of a source.
func down(to string, n int) error {
	c, err := dial(to)
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, block)
	if _, err := c.Write(b[:1]); err != nil {
		return err
	}
	for n > 0 {
		got, err := c.Read(b)
		if err != nil {
			return err
		}
		n -= got
	}
	return nil
}

// up writes n bytes to a sink and waits until it has them all.
func up(to string, n int) error {
	c, err := dial(to)
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, block)
	for ; n > 0; n -= len(b) {
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b[:1])
	return err
}

// Between two tries lies as much as keeps the clock honest and a core free.
const (
	pace     = 2 * time.Millisecond
	patience = 10 * time.Second
)

// until tries a connection again and again, until one gets through or none
// does any more, and says when.
func until(to string, through bool) (answer, error) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < patience; <-tick.C {
		err := echoed(to)
		if (err == nil) == through {
			return answer{At: time.Now().UnixNano()}, nil
		}
	}
	return answer{}, fmt.Errorf("%s: nothing changed within %s", to, patience)
}
