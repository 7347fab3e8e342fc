package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/authority"
)

// answered is the body of every answer.
var answered = strings.Repeat("a", 1024)

// secure is a server of HTTP/1.1 and HTTP/2 by TLS, whose authority it makes and
// leaves in file, with the key; file.pem is the certificate alone.
func secure(file string) error {
	made, err := authority.Make("bench", time.Now())
	if err != nil {
		return err
	}
	a, err := authority.Parse(made)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(file, made, 0o600), os.WriteFile(file+".pem", a.Certificate(), 0o644)); err != nil {
		return err
	}
	return serveTLS(a, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, answered) // a client that has gone needs no answer
	}))
}

// secureReverse is the plain proxy of the standard library, TLS on both sides.
func secureReverse(target, file string) error {
	made, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	a, err := authority.Parse(made)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Certificate())
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: target})
	p.Transport = &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: secureName},
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4096, DisableCompression: true,
	}
	return serveTLS(a, p)
}

// secureName is what the certificates are for: the host, seen from inside.
const secureName = "host.nemoclaw.internal"

// serveTLS serves h until standard input ends, and prints its address.
func serveTLS(a *authority.Authority, h http.Handler) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	quiet := log.New(io.Discard, "", 0) // a client that dials more than it needs is no news
	s := &http.Server{Handler: h, ErrorLog: quiet, TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return a.Leaf(secureName, time.Now())
	}}}
	go s.ServeTLS(l, "", "") //nolint:errcheck // ends with the process
	fmt.Println(l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// requests sends r.N requests in each of r.Often hands at once: over as many
// connections by HTTP/1.1, over one by HTTP/2. Connections stand before the
// clock runs.
func requests(to string, r request) (a answer, err error) {
	var roots *x509.CertPool // nil: what is trusted here
	if r.CA != "" {
		text, err := os.ReadFile(r.CA)
		if err != nil {
			return a, err
		}
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp4", to)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: secureName}, ForceAttemptHTTP2: r.Two,
		MaxIdleConnsPerHost: r.Often, DisableCompression: true,
	}
	defer t.CloseIdleConnections()
	_, port, _ := net.SplitHostPort(to)
	get := func() error { return getOnce(t, "https://"+net.JoinHostPort(secureName, port)+"/x", r.Two) }
	if _, err := hands(r.Often, 1, get); err != nil {
		return a, err
	}
	began := time.Now()
	a.Took, err = hands(r.Often, r.N, get)
	a.Whole = int64(time.Since(began))
	return a, err
}

func hands(count, times int, get func() error) (took []int64, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range count {
		all.Go(func() {
			a, bad := repeat(times, get)
			mu.Lock()
			defer mu.Unlock()
			took, err = append(took, a.Took...), errors.Join(err, bad)
		})
	}
	all.Wait()
	return took, err
}

func getOnce(t *http.Transport, address string, two bool) error {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || n != int64(len(answered)) || (res.ProtoMajor == 2) != two) {
		err = fmt.Errorf("%s: %s, %s, %d bytes", address, res.Status, res.Proto, n)
	}
	return err
}
