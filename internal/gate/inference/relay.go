package inference

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// form makes the agent's answer of the provider's, and counts it.
type form interface {
	// line takes one line of a streamed answer, and the JSON in it, and gives
	// what the agent gets for it: nil for nothing.
	line(line, payload []byte) ([]byte, error)
	// end gives what ends the stream for the agent.
	end() ([]byte, error)
	// whole takes a whole answer.
	whole(body []byte) ([]byte, error)
	// media is the type of a streamed answer to the agent, "" for the provider's.
	media() string
}

// closer is a form that ends a stream which has begun, when it goes wrong, in a
// way of its own.
type closer interface{ fault(*refusal) []byte }

// returning are the provider's headers that reach the agent. What names the
// account there does not.
var returning = []string{"X-Request-Id", "Request-Id", "Openai-Processing-Ms", "Openai-Version"}

// isWhole says whether an answer is no stream, although one was asked for.
func isWhole(resp *http.Response) bool {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return media == jsonType
}

// relayWhole passes an answer on that is one JSON object.
func (a *attempt) relayWhole(resp *http.Response, body io.Reader) *refusal {
	raw, err := io.ReadAll(body)
	if err != nil {
		return a.broken(err)
	}
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return a.broken(nonsense("it is not JSON"))
	}
	a.first()
	out, err := a.form.whole(a.router.secrets.scrub(raw))
	if err != nil {
		return a.broken(err)
	}
	a.head(resp)
	media := jsonType
	if m := a.form.media(); a.stream && m != "" {
		media = m
	}
	a.send(http.StatusOK, media, out)
	return nil
}

// relayStream passes an answer on line by line, as it arrives.
func (a *attempt) relayStream(resp *http.Response, body *patient) *refusal {
	lines := bufio.NewReaderSize(body, smallest)
	ended := false
	var long []byte
	for {
		line, err := nextLine(lines, &long)
		whole := err == nil || errors.Is(err, io.EOF)
		// What follows the end, but for the blank line that closes it, is dropped.
		if len(line) > 0 && whole && !(ended && payloadOf(line) != nil) {
			last, no := a.relayLine(resp, line, lines.Buffered() == 0)
			if no != nil {
				return no
			}
			if last {
				ended = true
				body.clock.hurry()
			}
		}
		if err != nil {
			return a.finish(resp, err)
		}
	}
}

// smallest is a buffer in which most lines have room: many streams are open at
// once.
const smallest = 1 << 10

// nextLine reads to the end of a line. It is valid until the next one; its
// length is bounded by the answer's.
func nextLine(lines *bufio.Reader, long *[]byte) ([]byte, error) {
	line, err := lines.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	for *long = (*long)[:0]; ; line, err = lines.ReadSlice('\n') {
		*long = append(*long, line...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return *long, err
		}
	}
}

// relayLine passes one line on; last says that it ends the answer.
func (a *attempt) relayLine(resp *http.Response, line []byte, flush bool) (last bool, no *refusal) {
	line = a.router.secrets.scrub(line)
	if !utf8.Valid(line) {
		return false, a.broken(nonsense("it is not UTF-8"))
	}
	if !a.isShaped(line) {
		return false, a.broken(nonsense("a line of it is no part of a stream: %.50q", line))
	}
	payload := payloadOf(line)
	out, err := a.form.line(line, payload)
	if err != nil {
		return false, a.broken(err)
	}
	if len(out) > 0 {
		a.begin(resp)
	}
	if a.sent && !a.write(out, flush) {
		return false, hungUp
	}
	return a.ends(payload), nil
}

// isShaped says whether a line is one of the stream that the provider was asked
// for. What the agent's reader would pass over, and the record not, or the other
// way round, is none: nobody else sends such lines.
func (a *attempt) isShaped(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if len(line) == 0 {
		return true
	}
	if a.isNative() {
		return line[0] == '{'
	}
	if bytes.IndexByte(line, '\r') >= 0 { // ends a line of server-sent events, too
		return false
	}
	for _, field := range []string{"data:", "event:", ":", "id:", "retry:"} {
		if bytes.HasPrefix(line, []byte(field)) {
			return true
		}
	}
	return false
}

// isNative says whether the stream is Ollama's own: objects, a line each.
func (a *attempt) isNative() bool {
	return a.endpoint.api == ollama && a.target.API == string(ollama)
}

// ends says whether an element is the last one of its stream.
func (a *attempt) ends(payload []byte) bool {
	if a.isNative() || a.target.API == string(anthropic) || a.hasResponses() {
		return a.tally.done
	}
	return string(payload) == sseEnd
}

// hungUp ends an exchange whose agent left.
var hungUp = refuse(statusHungUp, "hung_up", "the agent hung up")

// finish ends the stream for the agent, when it is complete.
func (a *attempt) finish(resp *http.Response, err error) *refusal {
	if !a.tally.done {
		return a.broken(err)
	}
	out, err := a.form.end()
	if err != nil {
		return a.broken(err)
	}
	a.begin(resp)
	if !a.write(out, true) {
		return hungUp
	}
	return nil
}

// sseEnd is the last element of OpenAI's streams.
const sseEnd = "[DONE]"

// payloadOf is what a line of a stream says: JSON, or nothing for the lines
// that only give server-sent events their shape.
func payloadOf(line []byte) []byte {
	line = bytes.TrimSpace(line)
	if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
		return bytes.TrimSpace(data)
	}
	if len(line) > 0 && line[0] == '{' {
		return line
	}
	return nil
}

// head takes over the provider's harmless headers.
func (a *attempt) head(resp *http.Response) {
	for _, h := range returning {
		if v := resp.Header.Get(h); v != "" {
			a.w.Header().Set(h, string(a.router.secrets.scrub([]byte(v))))
		}
	}
}

// begin sends the head of a streamed answer, once.
func (a *attempt) begin(resp *http.Response) {
	if a.sent {
		return
	}
	a.head(resp)
	media := a.form.media()
	if media == "" {
		media = resp.Header.Get("Content-Type")
	}
	a.w.Header().Set("Content-Type", media)
	if strings.HasPrefix(media, "text/event-stream") {
		a.w.Header().Set("Cache-Control", "no-cache")
	}
	a.call.Status, a.sent = http.StatusOK, true
	a.told(nil, nil)
	a.identify()
	a.w.WriteHeader(http.StatusOK)
}

// write passes bytes to the agent, false when it does not take them in time.
func (x *exchange) write(out []byte, flush bool) bool {
	if x.control == nil {
		x.control = http.NewResponseController(x.w)
	}
	// A timer for each write would cost more than the write: the agent has from
	// one to two times as long as a provider may be silent.
	if now := time.Now(); now.Sub(x.patient) > x.limits.Idle {
		x.patient = now
		_ = x.control.SetWriteDeadline(now.Add(2 * x.limits.Idle)) // a recorder in a test has none
	}
	x.tell(x.router.now(), !x.spoke)
	x.spoke = true
	if _, err := x.w.Write(out); err != nil {
		x.left = true
	}
	if flush && !x.left && x.control.Flush() != nil {
		x.left = true
	}
	return !x.left
}

// release lets the connection wait for its next request as long as it may.
func (x *exchange) release() {
	if x.control != nil && !x.left {
		_ = x.control.SetWriteDeadline(time.Time{})
	}
}

// send gives a whole answer.
func (x *exchange) send(status int, media string, out []byte) {
	x.w.Header().Set("Content-Type", media)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	x.call.Status, x.sent = status, true
	x.identify()
	x.w.WriteHeader(status)
	x.write(out, false)
}

// first notes the time to the first token, once.
func (x *exchange) first() {
	if x.call.FirstToken == 0 {
		x.call.FirstToken = milliseconds(x.router.now().Sub(x.began))
	}
}
