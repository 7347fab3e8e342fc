package egress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// half is a connection of which one can say that one has said all.
type half interface {
	net.Conn
	CloseWrite() error
}

// roads are HTTP/1 connections under rules with http, and a request for each.
func (b readBench) roads(t *testing.T) map[string]func() (half, string) {
	return map[string]func() (half, string){
		"plain": func() (half, string) {
			return b.dial("plain.example", 80).(half), "GET /open/a HTTP/1.1\r\nHost: plain.example\r\n\r\n"
		},
		"TLS": func() (half, string) {
			c, err := b.hello("api.github.com", "http/1.1")
			if err != nil {
				t.Fatal(err)
			}
			return c, "GET /repos/a HTTP/1.1\r\nHost: api.github.com\r\n\r\n"
		},
	}
}

// A program that has said all it will say gets its answer, by FIN as by TLS's
// own word for it, also where the server takes its time.
func TestHalfClosedGetsItsAnswer(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond): // it takes its time
			_, _ = io.WriteString(w, "here it is")
		}
	})
	b.world.Site("plain.example", site)
	b.world.Site("api.github.com", site)
	for name, dial := range b.roads(t) {
		t.Run(name, func(t *testing.T) {
			conn, head := dial()
			_, err := io.WriteString(conn, head)
			check(t, err)
			check(t, conn.CloseWrite())
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 || string(text) != "here it is" {
				t.Errorf("%d %q, %v", res.StatusCode, text, err)
			}
		})
	}
}

// One that has closed all of its socket has gone: the server hears of it.
func TestGoneLetsTheServerGo(t *testing.T) {
	b := newReadBench(t, readPolicy, nil)
	began, left := make(chan struct{}, 1), make(chan struct{}, 1)
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-r.Context().Done():
				left <- struct{}{}
				return
			case <-tick.C:
				fmt.Fprintln(w, "more")
				w.(http.Flusher).Flush()
			}
		}
	})
	b.world.Site("plain.example", site)
	b.world.Site("api.github.com", site)
	for name, dial := range b.roads(t) {
		t.Run(name, func(t *testing.T) {
			conn, head := dial()
			_, err := io.WriteString(conn, head)
			check(t, err)
			<-began
			conn.Close()
			select {
			case <-left:
			case <-time.After(20 * time.Second):
				t.Error("the server was left talking to nobody")
			}
		})
	}
}

// What the standard library refuses by itself is in the record like any other
// refusal, and reaches nobody; a request that can be read is not taken for one.
func TestUnreadableRequestsAreTold(t *testing.T) {
	for name, head := range map[string]string{
		"a field without a colon": "GET /open/a HTTP/1.1\r\nHost plain.example\r\n\r\n",
		"no host":                 "GET /open/a HTTP/1.1\r\n\r\n",
		"a coding nobody knows":   "POST /open/a HTTP/1.1\r\nHost: plain.example\r\nTransfer-Encoding: sideways\r\n\r\n",
		"two lengths":             "POST /open/a HTTP/1.1\r\nHost: plain.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"a head without end":      "GET /open/a HTTP/1.1\r\nHost: plain.example\r\nX: " + strings.Repeat("x", 2*maxHead) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := newReadBench(t, readPolicy, nil)
			for road, dial := range b.roads(t) {
				conn, good := dial()
				host := map[string]string{"plain": "plain.example", "TLS": "api.github.com"}[road]
				_, err := io.WriteString(conn, good)
				check(t, err)
				in := bufio.NewReader(conn)
				res, err := http.ReadResponse(in, nil)
				if err != nil || res.StatusCode != 200 {
					t.Fatalf("%s: %v, %v", road, res, err)
				}
				_, err = io.Copy(io.Discard, res.Body)
				check(t, err)
				_, _ = io.WriteString(conn, strings.ReplaceAll(head, "plain.example", host)) // it may be refused before its end
				if res, err = http.ReadResponse(in, nil); err == nil && res.StatusCode < 400 {
					t.Errorf("%s: %d", road, res.StatusCode)
				}
				conn.Close()
				b.events.await(t, func(e Event) bool {
					return e.Kind == HTTP && e.Verdict == policy.Deny && strings.HasPrefix(e.Target, host+":") && strings.Contains(e.Why, "no HTTP request that can be judged")
				})
				for _, a := range b.world.To(host) {
					if len(a.Requests) != 1 {
						t.Errorf("%s: arrived: %+v", road, a.Requests)
					}
				}
			}
			for _, e := range b.events.list() {
				if e.Kind == HTTP && e.Verdict == policy.Deny && !strings.Contains(e.Why, "no HTTP request") {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}
