package inference

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/policy"
)

// statusHungUp is recorded when the agent left before the answer began; the
// number is nginx's.
const statusHungUp = 499

// exchange is one request of the agent's and its answer. It lives in one
// goroutine.
type exchange struct {
	router *Router
	policy *policy.Inference
	limits policy.Limits
	w      http.ResponseWriter
	req    *http.Request
	began  time.Time

	endpoint endpoint
	rest     string  // of the path
	body     *object // nil where there is none
	stream   bool    // what the agent wants

	call     Call
	tally    tally
	target   policy.Target         // that is asked, or was asked last
	ended    func(*refusal, error) // of the breaker; nil once it was told
	asked    bool                  // it was, in truth
	put      []byte                // what it was asked, where its answer comes at once
	lost     policy.Usage          // of attempts that came to nothing
	spent    policy.Money          // for them
	admitted *admission            // nil where the call does not count
	sent     bool                  // the answer has begun
	left     bool                  // the agent takes no more of it
	closer   closer                // nil where the API's element for an error will do
	fault    string
	serial   uint64    // of the call
	toldAt   time.Time // how far it is
	spoke    bool      // the answer's first words were told
	holds    int64     // bytes of the router's memory
	weighs   int64     // bytes, what is made of the body

	control *http.ResponseController // nil before the first write
	patient time.Time                // when the agent was last given time to take its answer
}

// serve answers the request and records the call.
func (x *exchange) serve() {
	defer func() {
		x.router.memory.give(x.holds) // what the record has not taken over
		x.router.values.give(x.weighs)
	}()
	no := x.prepare()
	if no == nil && x.own() {
		return // nobody was asked, and nothing said that is worth a record
	}
	x.fault = "the router failed" // until it is known better: a panic is recorded too
	defer x.record()
	if no == nil {
		no = x.answer()
	} else {
		x.call.Refused = true
	}
	x.fault = ""
	x.refuse(no)
	x.release()
}

// prepare finds out what is asked, and whether it may be.
func (x *exchange) prepare() *refusal {
	var no *refusal
	if c, ok := x.req.Context().Value(programKey{}).(*caller); ok {
		c.begin()
	}
	x.endpoint, x.rest, no = find(x.req)
	x.call = Call{
		Time: x.began.UTC(),
		API:  string(x.endpoint.api), Path: shortened(x.req.URL.Path, maxName),
	}
	if no != nil {
		return no
	}
	if x.router.cfg.Ready != nil {
		if x.router.cfg.Ready() != nil { // what it says is the host's business: paths, disks
			return refuse(http.StatusServiceUnavailable, "not_ready", "model calls are refused, since they cannot be recorded now").
				hinted("%s status", x.router.command())
		}
	}
	if x.policy == nil {
		return refuse(http.StatusServiceUnavailable, "not_ready", "there is no inference policy")
	}
	x.limits = x.policy.Limits()
	if no := x.read(); no != nil {
		return no
	}
	if x.endpoint.metered() {
		return x.admit()
	}
	return nil
}

// admit counts the call, where the policy's limits let it in.
func (x *exchange) admit() *refusal {
	admitted, notices, no := x.router.meter.admit(x.router.now(), x.limits, int64(len(x.body.raw))/bytesAToken)
	x.admitted = admitted
	x.warn(notices)
	return no
}

func (x *exchange) warn(notices []Notice) {
	for _, n := range notices {
		n.Program = program(x.req.Context())
		if x.router.cfg.Warn != nil {
			x.router.cfg.Warn(n)
		}
	}
}

// own answers what no provider needs to be asked for.
func (x *exchange) own() bool {
	if x.endpoint.act != greet {
		return false
	}
	media, text := "text/plain; charset=utf-8", "Ollama is running"
	if x.endpoint.api == anthropic {
		media, text = jsonType, `{"message":"hello"}`
	}
	x.w.Header().Set("Content-Type", media)
	_, _ = io.WriteString(x.w, text)
	return true
}

// read takes the request's body, and from it the model's name.
func (x *exchange) read() *refusal {
	if x.endpoint.act == retrieve || x.endpoint.api == gemini {
		x.call.Asked = unescapeName(x.rest)
	}
	if x.endpoint.act == retrieve {
		return x.badName()
	}
	if x.endpoint.method != http.MethodPost {
		return nil
	}
	raw, no := x.bytes()
	if no != nil {
		return no
	}
	if no := x.weigh(raw); no != nil {
		return no
	}
	body, err := parseObject(raw)
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_json", "request body: %v", err)
	}
	x.body = body
	if err := x.understand(); err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", "request body: %v", err)
	}
	if no := x.unfetched(); no != nil {
		return no
	}
	return x.badName()
}

// bytes reads the body within the policy's bound and a bound of time.
func (x *exchange) bytes() ([]byte, *refusal) {
	if enc := x.req.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, refuse(http.StatusUnsupportedMediaType, "unsupported_encoding", "request body is encoded (%.20q): send it plain", enc)
	}
	limit := x.limits.BodyBytes
	if x.req.ContentLength > limit {
		return nil, x.tooLarge(x.req.ContentLength)
	}
	size := x.req.ContentLength
	if size < 0 {
		size = limit
	}
	if !x.router.memory.take(size, 4*limit) {
		no := refuse(http.StatusServiceUnavailable, "busy", "too many large requests at once")
		no.retry = holdOff
		return nil, no
	}
	x.holds = size
	control := http.NewResponseController(x.w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a recorder in a test has none
	raw, err := io.ReadAll(http.MaxBytesReader(x.w, x.req.Body, limit))
	_ = control.SetReadDeadline(time.Time{})
	if over := (*http.MaxBytesError)(nil); errors.As(err, &over) {
		return nil, x.tooLarge(limit + 1)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "incomplete_body", "request body ended early: %v", err)
	}
	if isNear(int64(len(raw)), limit) {
		x.warn(x.router.meter.large(x.router.now(), int64(len(raw)), limit))
	}
	return raw, nil
}

func (x *exchange) tooLarge(size int64) *refusal {
	limit := x.limits.BodyBytes
	x.warn(x.router.meter.large(x.router.now(), size, limit))
	return refuse(http.StatusRequestEntityTooLarge, "request_too_large", "request body is larger than %d bytes", limit).
		hinted("raise limits.body_bytes in inference.yaml")
}

// understand reads the few fields that matter here. Gemini's API has them in the
// path.
func (x *exchange) understand() error {
	x.stream = x.endpoint.streams
	if x.endpoint.api == gemini {
		x.call.Stream = x.stream
		x.keepContents()
		return nil
	}
	var err error
	if x.call.Asked, err = x.askedModel(); err != nil {
		return err
	}
	if err := x.body.oneModel(); err != nil {
		return err
	}
	raw, err := x.body.value("stream")
	if err != nil {
		return err
	}
	switch string(raw) {
	case "", "null":
	case "true":
		x.stream = true
	case "false":
		x.stream = false
	default:
		return errors.New(`"stream" is not true or false`)
	}
	x.call.Stream = x.stream
	x.keepContents()
	return nil
}

// askedModel is the model's name; /api/show has an older word for it as well.
func (x *exchange) askedModel() (string, error) {
	model, err := x.body.text("model")
	if err != nil || x.endpoint.act != show {
		return model, err
	}
	name, err := x.body.text("name")
	if err != nil || name == "" {
		return model, err
	}
	if model != "" && model != name {
		return "", errors.New(`"model" and "name" differ`)
	}
	return name, nil
}

func (x *exchange) badName() *refusal {
	name := x.call.Asked
	bad := func(c rune) bool { return c < ' ' || c == 0x7f || c == '\u2028' || c == '\ufffd' }
	if name == "" || len(name) > maxName || strings.IndexFunc(name, bad) >= 0 {
		return refuse(http.StatusBadRequest, "invalid_model", "the request names no model, or an impossible one")
	}
	return nil
}

// contents are the fields that hold what is said.
var contents = []string{
	"messages", "prompt", "system", "input", "suffix", "instructions", "contents", "systemInstruction", "system_instruction", "generateContentRequest",
}

// keepContents takes over what the record will say of the request.
func (x *exchange) keepContents() {
	if !x.policy.LogFull() {
		return
	}
	said := x.body.fields[:0:0]
	for _, f := range x.body.fields {
		if contains(contents, f.key) {
			said = append(said, f)
		}
	}
	x.call.Extra = x.body.without(append([]string{"model", "stream"}, contents...)...)
	if len(said) == 1 {
		x.call.Prompt = string(x.body.raw[said[0].start:said[0].end])
		return
	}
	x.call.Prompt = (&object{raw: x.body.raw, fields: said}).without()
}

// refuse writes what went wrong, where it can still be written, and keeps it
// for the record.
func (x *exchange) refuse(no *refusal) {
	if no == nil {
		return
	}
	x.call.Error = no.Error()
	if x.gone() {
		x.call.Error = "the agent hung up"
		if !x.sent {
			x.call.Status = statusHungUp
		}
		return
	}
	if x.sent {
		last := no.element(x.endpoint.api)
		if x.closer != nil {
			last = x.closer.fault(no)
		}
		x.write(last, true)
		return
	}
	x.call.Status = no.status
	x.identify()
	no.write(x.w, x.endpoint.api)
}

// gone says whether the agent has left.
func (x *exchange) gone() bool {
	return x.left || errors.Is(context.Cause(x.req.Context()), context.Canceled)
}
