package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// exchange is one request of a reading, with its answer.
type exchange struct {
	r         *reading
	method    string
	said      string      // the target, without its query
	path      policy.Path // the zero Path where it cannot be read
	websocket bool        // it asks to go on as WebSocket
	only      bool        // HTTP/1: the connection carries nothing else now
	cancel    context.CancelCauseFunc

	field, text string   // the header field that the gate adds; "" for none
	hidden      []string // what must not come back
}

// refusedRequest is a request that goes nowhere, and the status that says so.
type refusedRequest struct {
	status int
	policy.Verdict
	hint string
}

// ServeHTTP judges one request and passes it on.
func (rd *reader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r, ok := req.Context().Value(readingKey{}).(*reading)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	r.conn.unseen.Store(false)
	ctx := req.Context()
	if req.ProtoMajor == 1 { // HTTP/2 says of each request whether it is still wanted
		var done func()
		ctx, done = r.untilGone(ctx)
		defer done()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	said, _, _ := strings.Cut(req.RequestURI, "?")
	path, unclear := policy.ParsePath(req.RequestURI)
	x := &exchange{r: r, method: req.Method, said: said, path: path, only: req.ProtoMajor == 1, cancel: cancel}
	defer x.failClosed()
	r.f.tell()
	release, bad := rd.takeSlot()
	if bad != nil {
		x.record(bad.Verdict)
		x.refuse(w, bad)
		return
	}
	defer release()
	r.add(x) // before it is judged: a reload in between must not miss it
	defer r.remove(x)
	v, bad := x.judge(req, unclear)
	if bad != nil {
		x.record(bad.Verdict)
		x.refuse(w, bad)
		return
	}
	x.record(v)
	if x.only { // answers may begin before the request ends
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	w.Header()["Content-Type"], w.Header()["Date"] = nil, nil // the server's own, or none
	rd.proxy.ServeHTTP(w, req.WithContext(context.WithValue(ctx, exchangeKey{}, x)))
}

// takeSlot takes a place for a request, or says that there is none: what is held
// of each is bounded, and so is all of it.
func (rd *reader) takeSlot() (release func(), bad *refusedRequest) {
	select {
	case rd.slots <- struct{}{}:
		return func() { <-rd.slots }, nil
	default:
		return nil, refuseWith(http.StatusServiceUnavailable, fmt.Sprintf("%d requests are under way already, which is the limit", cap(rd.slots)))
	}
}

// failClosed ends the connection where the gate fails, and writes it down.
func (x *exchange) failClosed() {
	p := recover()
	if p == nil {
		return
	}
	if p != any(http.ErrAbortHandler) { // an answer that broke off is no failure of ours
		x.record(policy.Verdict{Why: fmt.Sprintf("the gate failed: %v", p)})
	}
	panic(http.ErrAbortHandler)
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// judge says what becomes of a request, before anything of it is passed on;
// unclear is why its path cannot be read.
func (x *exchange) judge(req *http.Request, unclear error) (policy.Verdict, *refusedRequest) {
	g := x.r.f.g
	if err := g.cfg.Ready(); err != nil {
		return policy.Verdict{}, refuseWith(http.StatusServiceUnavailable, "nothing is let out while no record can be kept: "+err.Error())
	}
	if bad := x.misdirected(req); bad != nil {
		return policy.Verdict{}, bad
	}
	if unclear != nil {
		return policy.Verdict{}, refuseWith(http.StatusBadRequest, unclear.Error())
	}
	p, q := g.policy(), x.r.request()
	v, cred := p.DecideHTTP(q, x.method, x.path)
	if v.Action != policy.Allow {
		return v, notListed(v)
	}
	if bad := x.leadsElsewhere(p, q, req.Header); bad != nil {
		return v, bad
	}
	x.websocket = x.only && req.ContentLength == 0 && slices.Equal(tokens(req.Header["Upgrade"]), []string{"websocket"})
	return v, x.equip(v, cred)
}

func notListed(v policy.Verdict) *refusedRequest {
	v.Action = policy.Deny
	return &refusedRequest{http.StatusForbidden, v, "say to the operator which request you need, and what for; it can be listed under http in network-policy.yaml"}
}

// leadsElsewhere: COPY and MOVE write where their Destination says (RFC 4918,
// 10.3), so that path must be listed, too.
func (x *exchange) leadsElsewhere(p *policy.Policy, q policy.Request, h http.Header) *refusedRequest {
	if m := strings.ToUpper(x.method); m != "COPY" && m != "MOVE" {
		return nil
	}
	for name, values := range h {
		if spelled(name) != "destination" {
			continue
		}
		for _, to := range values {
			path, bad := x.destination(to)
			if bad != nil {
				return bad
			}
			if v, _ := p.DecideHTTP(q, x.method, path); v.Action != policy.Allow {
				return notListed(v)
			}
		}
	}
	return nil
}

// destination is the path of a Destination, which must be on this server.
func (x *exchange) destination(to string) (policy.Path, *refusedRequest) {
	if _, rest, found := strings.Cut(to, "://"); found && !strings.HasPrefix(to, "/") {
		host, _, _ := strings.Cut(rest, "/")
		if !isHost(host, x.r.name, x.r.port) {
			return policy.Path{}, refuseWith(http.StatusMisdirectedRequest, fmt.Sprintf("the Destination is on %q, not on %s", host, x.r.name))
		}
		to = rest[len(host):]
	}
	path, err := policy.ParsePath(to)
	if err != nil {
		return path, refuseWith(http.StatusBadRequest, "the Destination: "+err.Error())
	}
	return path, nil
}

func refuseWith(status int, why string) *refusedRequest {
	return &refusedRequest{status: status, Verdict: policy.Verdict{Why: why}}
}

// misdirected: a request that is not for this server, or that two servers could
// take for two.
func (x *exchange) misdirected(req *http.Request) *refusedRequest {
	switch {
	case req.Method == http.MethodConnect:
		return refuseWith(http.StatusForbidden, "CONNECT asks for a tunnel to somewhere else")
	case req.Method == http.MethodTrace:
		return refuseWith(http.StatusForbidden, "TRACE repeats what is added on the way")
	case !strings.HasPrefix(req.RequestURI, "/"):
		return refuseWith(http.StatusBadRequest, "the target is no path")
	}
	for _, said := range append([]string{req.Host}, req.Header["Host"]...) {
		if !isHost(said, x.r.name, x.r.port) {
			return refuseWith(http.StatusMisdirectedRequest, fmt.Sprintf("the HTTP request is for %q, not for %s", said, x.r.name))
		}
	}
	return nil
}

// equip looks the credential up that goes with the request.
func (x *exchange) equip(v policy.Verdict, cred policy.Credential) *refusedRequest {
	if cred.Secret == "" {
		return nil
	}
	bad := refuseWith(http.StatusForbidden, "")
	bad.Rule, bad.Line = v.Rule, v.Line
	if !x.r.secure && !x.r.name.IsHostLoopback() {
		bad.Why = "its credential is sent by TLS alone, and this is plain HTTP"
		return bad
	}
	value, err := x.r.f.g.reader.secrets.value(cred.Secret)
	if err != nil {
		bad.Why = fmt.Sprintf("the rule's credential %s cannot be had: %v", cred.Secret, err)
		bad.hint = "the operator can store it: nemoclaw secret set " + cred.Secret
		return bad
	}
	x.field, x.text = cred.Field(value)
	if !httpguts.ValidHeaderFieldValue(x.text) {
		bad.Why = fmt.Sprintf("the rule's credential %s has characters that no header field may have", cred.Secret)
		bad.hint = "the operator can store it anew: nemoclaw secret set " + cred.Secret
		return bad
	}
	x.hidden = hide(value, x.text)
	return nil
}

// refuse answers in place of the server.
func (x *exchange) refuse(w http.ResponseWriter, bad *refusedRequest) {
	hint := bad.hint
	if hint == "" {
		hint = "the operator can look at it: nemoclaw audit tail"
	}
	body, _ := json.Marshal(Refusal{ // strings alone: it cannot fail
		Error: "blocked by the sandbox's network policy", Method: short(x.method), Target: x.r.f.target(), Path: short(x.shown()), Why: bad.Why, Hint: hint,
	})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if x.only && bad.status != http.StatusForbidden { // what follows such a request is not to be trusted either
		h.Set("Connection", "close")
	}
	w.WriteHeader(bad.status)
	_, _ = w.Write(append(body, '\n')) // who has gone needs no answer
}

// onward sends a request by the connections of its own reading.
type onward struct{}

func (onward) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	if len(x.hidden) > 0 { // answers before the answer repeat things, too; this runs before the proxy's own
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
				maskFields(http.Header(h), x.hidden)
				return nil
			},
		}))
	}
	return x.r.transport.RoundTrip(req)
}

var errSwitch = errors.New("the server goes on in another protocol, which nobody asked it for")

// inspect sees an answer before the program does.
func inspect(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	if res.StatusCode == http.StatusSwitchingProtocols && !x.websocket {
		return errSwitch
	}
	if x.only && len(res.Trailer) > 0 { // HTTP/1 has trailers after chunks alone
		res.Header.Del("Content-Length")
	}
	if through, ok := res.Body.(io.ReadWriteCloser); ok && res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = &tunnel{through, through}
	}
	x.mask(res)
	return nil
}

// tunnel is the server's end of a WebSocket.
type tunnel struct {
	io.Reader
	through io.ReadWriteCloser
}

func (t *tunnel) Write(b []byte) (int, error) { return t.through.Write(b) }

func (t *tunnel) Close() error { return t.through.Close() }

// leaveTime is how long a server may go on after the program has ended: a
// WebSocket ends on both sides (RFC 6455, 7.1.1), and a server that forgets its
// own would keep the connection forever.
const leaveTime = 2 * time.Second

// CloseWrite: the program has ended.
func (t *tunnel) CloseWrite() error {
	time.AfterFunc(leaveTime, func() { _ = t.Close() }) // it may have ended meanwhile
	if c, ok := t.through.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// failed answers where the server does not.
func failed(w http.ResponseWriter, req *http.Request, err error) {
	x := exchangeOf(req.Context())
	if gone := (revoked{}); errors.As(context.Cause(req.Context()), &gone) {
		x.refuse(w, &refusedRequest{http.StatusForbidden, gone.Verdict, ""})
		return
	}
	v := policy.Verdict{Why: maskText("allowed, but not reachable: "+err.Error(), x.hidden)} // it may quote the server
	if req.Context().Err() == nil {
		x.record(v)
	}
	x.refuse(w, &refusedRequest{http.StatusBadGateway, v, "the server, or its certificate, is the reason; the policy is not"})
}
