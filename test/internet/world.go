package internet

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// World is what stands outside of the machine, and what came there. It is safe
// for concurrent use.
type World struct {
	dir       string
	authority *authority
	doors     doors

	mu       sync.Mutex // guards all below
	changed  chan struct{}
	names    map[string]netip.Addr // IPv4 of every name ever asked for
	byAddr   map[netip.Addr]string
	answers  map[string][][]netip.Addr // set by a test; the last set stays
	absent   map[string]bool
	queries  []Query
	arrivals []*Arrival
	sites    map[string]http.Handler
	services map[service]func(net.Conn)
}

type service struct {
	host string
	port uint16
}

// Query is one DNS question that reached the world.
type Query struct {
	Name string // lower case, no final dot
	Type string // A, AAAA, HTTPS …
	At   time.Time
}

// Arrival is one TCP connection that reached the world.
type Arrival struct {
	Host     string         // the name that the world's DNS gave this address for; else the address
	Addr     netip.AddrPort // dialled
	From     netip.AddrPort
	SNI      string    // of a TLS hello
	Requests []Request // of HTTP, with TLS or without
	Bytes    int64     // received, above TCP
	Head     []byte    // the first of them, at most 4096
	Reset    bool      // the peer ended it by RST
	Closed   bool      // it is over
	At       time.Time
}

// Request is one HTTP request of an Arrival.
type Request struct{ Method, Host, Path string }

var (
	current *World // of this process; set by enter before any test runs
	absent  error  // why there is none
)

// Use is the world of this test binary, with nothing in it yet. Tests that use
// it must not run in parallel. Without a world the test is skipped.
func Use(t testing.TB) *World {
	t.Helper()
	if current == nil {
		if absent == nil {
			t.Fatal("internet.Use: TestMain does not call internet.Main")
		}
		t.Skip(absent)
	}
	current.clear()
	t.Cleanup(current.clear)
	return current
}

func newWorld(dir string, a *authority) *World {
	w := &World{dir: dir, authority: a, changed: make(chan struct{})}
	w.names, w.byAddr = map[string]netip.Addr{}, map[netip.Addr]string{}
	w.clear()
	return w
}

// clear forgets what came and what tests have set; names keep their addresses.
func (w *World) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers, w.absent = map[string][][]netip.Addr{}, map[string]bool{}
	w.sites, w.services = map[string]http.Handler{}, map[service]func(net.Conn){}
	w.queries, w.arrivals = nil, nil
}

// tell wakes those who wait. The caller holds mu.
func (w *World) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// Addr is the IPv4 address of name.
func (w *World) Addr(name string) netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addr(canonical(name))
}

// addr gives every name a public-looking address of its own.
func (w *World) addr(name string) netip.Addr {
	if a, ok := w.names[name]; ok {
		return a
	}
	n := len(w.names) + 1
	a := netip.AddrFrom4([4]byte{45, 64 + byte(n>>16), byte(n >> 8), byte(n)})
	w.names[name], w.byAddr[a], w.byAddr[sixth(a)] = a, name, name
	return a
}

// sixth is the IPv6 address that goes with an IPv4 one.
func sixth(a netip.Addr) netip.Addr {
	b := [16]byte{0x26, 0x00, 0x3c, 0x01}
	copy(b[12:], a.AsSlice())
	return netip.AddrFrom16(b)
}

// Answer sets what the DNS says of name: each lookup of a type takes the next
// set, and the last one stays. An empty set is "no data".
func (w *World) Answer(name string, sets ...[]netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[canonical(name)] = sets
}

// Absent makes the DNS deny that name exists.
func (w *World) Absent(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.absent[canonical(name)] = true
}

// Site serves host by h on ports 80 and 443, in place of the echo.
func (w *World) Site(host string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites[canonical(host)] = h
}

// Service serves host:port by f, in place of the echo. f owns the connection
// until it returns.
func (w *World) Service(host string, port uint16, f func(net.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.services[service{canonical(host), port}] = f
}

// Queries are the DNS questions so far, in order.
func (w *World) Queries() []Query {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.queries)
}

// Arrivals are the connections so far, in order.
func (w *World) Arrivals() []Arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.copies(func(*Arrival) bool { return true })
}

// To is what arrived at host (a name or an address).
func (w *World) To(host string) []Arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.copies(func(a *Arrival) bool { return a.Host == canonical(host) || a.Addr.Addr().String() == host })
}

func (w *World) copies(want func(*Arrival) bool) []Arrival {
	var found []Arrival
	for _, a := range w.arrivals {
		if want(a) {
			c := *a
			c.Requests, c.Head = slices.Clone(a.Requests), slices.Clone(a.Head)
			found = append(found, c)
		}
	}
	return found
}

// Await returns the first arrival, past or future, that is as wanted.
func (w *World) Await(ctx context.Context, want func(Arrival) bool) (Arrival, error) {
	for {
		w.mu.Lock()
		all, changed := w.copies(func(*Arrival) bool { return true }), w.changed
		w.mu.Unlock()
		if i := slices.IndexFunc(all, want); i >= 0 {
			return all[i], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Arrival{}, ctx.Err()
		}
	}
}

// CAFile is the path of the certificate that signs for every name. It is in
// the system's bundle and in SSL_CERT_FILE already.
func (w *World) CAFile() string { return w.dir + "/ca.pem" }

// Pool trusts the world's certificate alone.
func (w *World) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(w.authority.cert)
	return p
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
