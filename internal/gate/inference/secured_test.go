package inference

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/authority"
)

// at443 is a connection that was made to the port for https.
type at443 struct{ net.Conn }

func (at443) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// On 443 the router is inference.local and nobody else, by the sandbox's own
// authority; it still knows who called.
func TestSecured(t *testing.T) {
	file, err := authority.Make("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := authority.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Certificate())
	for _, c := range []struct {
		name  string
		roots *x509.CertPool
		good  bool
	}{
		{"inference.local", roots, true}, {"INFERENCE.local", roots, true}, {"api.openai.com", roots, false}, {"inference.local", x509.NewCertPool(), false},
	} {
		p := serve(t, says(jsonType, `{"models":[]}`))
		b := newBench(t, toOllama(p.URL), func(cfg *Config) {
			cfg.Leaf = ca.Leaf
			cfg.Who = func(conn net.Conn) string {
				if _, ok := conn.(at443); !ok {
					t.Errorf("asked about a %T", conn)
				}
				return "/usr/bin/node"
			}
		})
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.router.ServeConn(at443{server})
		}()
		_ = client.SetDeadline(time.Now().Add(10 * time.Second))
		conn := tls.Client(client, &tls.Config{ServerName: c.name, RootCAs: c.roots, NextProtos: []string{"h2", "http/1.1"}})
		err := conn.Handshake()
		if (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.good {
			fmt.Fprint(conn, "GET /api/tags HTTP/1.1\r\nHost: inference.local\r\nConnection: close\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%v %v", resp, err)
			}
			if call := b.last(); !strings.HasSuffix(call.Program, "node") {
				t.Errorf("%+v", call)
			}
		}
		client.Close()
		<-done
		if len(b.router.slots) != 0 {
			t.Error("the connection's slot was not given back")
		}
	}
}
