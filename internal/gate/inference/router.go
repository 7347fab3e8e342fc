package inference

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/gate/pulse"
	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// Config is what the router needs of the world. Policy is required; what else
// is nil is not done.
type Config struct {
	// Policy is the inference policy in force, asked once a call: a call in
	// flight finishes under the one it began with.
	Policy func() *policy.Inference
	// Key gives a stored secret by name.
	Key func(name string) ([]byte, error)
	// Record takes each call once, after its last byte. It must not block.
	Record func(Call) // from one goroutine
	// Who names the program at the other end of the agent's connection.
	Who func(net.Conn) string
	// Log takes each call as one line of JSON: the agent's own view. Open one
	// with NewLog to keep it bounded.
	Log io.Writer
	// Blocked says whether the network policy denies the provider's host.
	Blocked func(host string, port int) (why string, blocked bool)
	// Ready is non-nil while calls must be refused, since they cannot be
	// recorded.
	Ready func() error
	// Leaf gives a certificate for a name, from the authority that the programs
	// inside trust: the router speaks TLS with it on port 443.
	Leaf func(name string, now time.Time) (*tls.Certificate, error)
	// Sandbox is the name that the remedies in errors speak of.
	Sandbox string
	// Warn takes the news that a limit is near or reached. It must not block.
	Warn func(Notice)
	// Used is what the sandbox used of its limits before this router began, by
	// the audit book.
	Used Used
	// Underway is told of calls that are being answered; it must not block, and
	// calls the function only where somebody wants to know.
	Underway func(func() Underway)
	// Proxy is the host's own way out, if it has one, as for http.Transport.
	Proxy func(*http.Request) (*url.URL, error)
	// Connections bounds those of the agent's at one time; 0: DefaultConnections.
	// Each costs two descriptors: it, and the one to its provider.
	Connections int
	// Roots are the authorities that providers' certificates are checked
	// against; nil is the system's, read by New.
	Roots *x509.CertPool
}

// The bounds of one call that no policy sets.
const (
	defaultAnswer = 32 << 20        // bytes of an answer, streamed or not
	bodyTime      = 2 * time.Minute // for the agent to send its request
	keepAlive     = 2 * time.Minute // of an unused connection of the agent's
	headerTime    = 10 * time.Second
	headerSize    = 32 << 10
	unwritten     = 64 << 20 // bytes of records on their way to the book
	unlogged      = 16 << 20 // bytes of records on their way to the agent's log
)

// DefaultConnections is how many connections an agent may have to the router at
// one time.
const DefaultConnections = 4096

// Router is the model gate of one sandbox, an http.Handler. It is safe for
// concurrent use.
type Router struct {
	cfg       Config
	transport *http.Transport
	reached   pulse.Set // connections to providers
	meter     *meter
	memory    *memory // of bodies
	values    *memory // of what is made of them
	secrets   *secrets
	places    *places
	keys      *keyring
	breakers  *breakers
	writing   *background
	logging   *background
	skipped   atomic.Int64  // calls that the log had no room for
	serial    atomic.Uint64 // of calls
	slots     chan struct{} // one for each connection of the agent's

	answer int64
	now    func() time.Time
}

// New makes a router. It reads the system's certificates now, since its process
// may be confined later.
func New(cfg Config) *Router {
	r := &Router{
		cfg:      cfg,
		meter:    &meter{used: Usage{Tokens: cfg.Used.Tokens, Money: cfg.Used.Money}, recent: cfg.Used.Recent},
		memory:   &memory{},
		values:   &memory{},
		secrets:  &secrets{},
		slots:    make(chan struct{}, cmp.Or(cfg.Connections, DefaultConnections)),
		keys:     &keyring{get: cfg.Key},
		breakers: &breakers{},
		writing:  newBackground(unwritten),
		logging:  newBackground(unlogged),
		answer:   defaultAnswer,
		now:      time.Now,
	}
	r.places = &places{ask: r.answers}
	roots := cfg.Roots
	if roots == nil {
		roots, _ = x509.SystemCertPool() // without one, no provider is trusted
	}
	r.transport = &http.Transport{
		Proxy:                  cfg.Proxy,
		DialContext:            r.dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // an answer is passed on as it comes
		MaxIdleConnsPerHost:    128,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         2 * smallest, // each open stream has them
		WriteBufferSize:        smallest,
	}
	return r
}

// ServeHTTP answers one request of the agent's.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	x := &exchange{serial: r.serial.Add(1), router: r, policy: r.cfg.Policy(), w: w, req: req, began: r.now()}
	x.serve()
}
