package egress

import (
	"io"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
)

// overriding are the header fields by which a server may take the request for
// another one, as spelled gives them.
var overriding = []string{
	"x-http-method-override", "x-http-method", "x-method-override",
	"x-original-url", "x-rewrite-url", "x-original-uri", "x-forwarded-uri", "x-forwarded-path", "x-forwarded-prefix",
	"x-host", "x-original-host", "x-http-host-override", "x-forwarded-server", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
	"x-forwarded-scheme", "x-forwarded-method", "forwarded",
	"http-method-override", "x-override-method", "x-http-path-override", "x-override-url", "x-original-path", "x-envoy-original-path",
	"x-request-uri", "x-proxy-url", "x-waws-unencoded-url", "x-ms-original-url",
	"script-name", "path-info", "x-script-name", "x-path-info", // gunicorn's, of a proxy; they move where the path begins
	"x-sendfile-type", "x-accel-mapping", // Rack's, by which nginx answers with another path
}

// rewrite makes the request that leaves: what was judged, and no more. Hop-by-hop
// fields are gone already.
func rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	out := p.Out
	out.URL.Scheme, out.URL.Host, out.Host = x.r.scheme(), x.r.authority(), x.r.authority()
	out.URL.RawQuery, out.Trailer = p.In.URL.RawQuery, p.In.Trailer
	if out.URL.EscapedPath() != x.said { // net/url would escape it anew, and forget which slashes were escaped
		out.URL.RawPath = x.path.String()
	}
	x.strip(out.Header, framing...) // net/http writes its own
	if len(out.Trailer) > 0 {
		end := func() { x.strip(out.Trailer, append(framing, "connection", "upgrade", "destination")...) }
		end()
		out.Body = &trailed{out.Body, end} // some were not announced
	}
	if !x.websocket {
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
	}
	if x.field != "" {
		out.Header.Set(x.field, x.text)
		out.Header.Set("Accept-Encoding", "identity") // so that an echo of it can be seen
	}
}

// strip drops the fields that would make another request of this one, and those
// in whose place the credential stands, in every spelling.
func (x *exchange) strip(h http.Header, also ...string) {
	if x.field != "" {
		also = append(slices.Clone(also), "authorization", spelled(x.field))
	}
	for name := range h {
		if s := spelled(name); slices.Contains(overriding, s) || slices.Contains(also, s) {
			delete(h, name)
		}
	}
}

// spelled is a field's name as one that a server may take it for: where fields
// become variables, whatever is no letter and no digit is the same.
func spelled(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
}

// framing are the fields that say where a request goes and ends.
var framing = []string{"host", "content-length", "transfer-encoding", "trailer"}

// trailed is a body with trailers, which are there at its end.
type trailed struct {
	io.ReadCloser
	end func()
}

func (b *trailed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}
