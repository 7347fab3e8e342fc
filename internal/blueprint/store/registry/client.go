package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Bounds of one exchange. A body has no total bound, since a slow line is no
// error; the caller watches that it moves.
const (
	dialTimeout   = 15 * time.Second
	answerTimeout = 30 * time.Second
	maxRedirects  = 10
	perHost       = 8
)

// newClient is an HTTP client with the user's certificates and proxies.
func newClient(set settings, last func(*url.URL) (*url.URL, error)) (*http.Client, error) {
	roots, err := roots(set)
	if err != nil {
		return nil, err
	}
	proxy := proxies(set, last)
	transport := &http.Transport{
		Proxy:                 func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, InsecureSkipVerify: set["strict-ssl"] == "false"},
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		MaxIdleConnsPerHost:   perHost,
		IdleConnTimeout:       answerTimeout,
		DisableCompression:    true, // the digest is of the bytes as they come
		ForceAttemptHTTP2:     true,
	}
	return &http.Client{Transport: transport, CheckRedirect: follow}, nil
}

// follow lets a registry send us on, but not to another protocol: the digest
// decides what the bytes are, wherever they came from.
func follow(r *http.Request, before []*http.Request) error {
	if len(before) >= maxRedirects {
		return errors.New("too many redirects")
	}
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return fmt.Errorf("redirected to %s: not http", r.URL.Scheme)
	}
	return nil
}

// roots are the system's certificates and those that the user added for npm or
// Node; nil is the system's alone.
func roots(set settings) (*x509.CertPool, error) {
	var added [][]byte
	for _, file := range []string{set["cafile"], os.Getenv("NODE_EXTRA_CA_CERTS")} {
		if file == "" || file == "null" {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the registry's certificates: %w", err)
		}
		added = append(added, body)
	}
	if inline := set["ca"]; inline != "" && inline != "null" {
		added = append(added, []byte(inline))
	}
	if added == nil {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, body := range added {
		pool.AppendCertsFromPEM(body)
	}
	return pool, nil
}

// proxies are the environment's, with npm's own settings before them, and last
// where neither says anything.
func proxies(set settings, last func(*url.URL) (*url.URL, error)) func(*url.URL) (*url.URL, error) {
	c := httpproxy.FromEnvironment()
	c.CGI = false
	take := func(field *string, names ...string) {
		for _, name := range names {
			if value := set[name]; value != "" && value != "null" && value != "false" {
				*field = value
				return
			}
		}
	}
	take(&c.HTTPSProxy, "https-proxy", "proxy")
	take(&c.HTTPProxy, "proxy")
	take(&c.NoProxy, "noproxy")
	if c.HTTPSProxy == "" && c.HTTPProxy == "" && last != nil {
		return last
	}
	return c.ProxyFunc()
}
