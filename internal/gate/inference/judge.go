package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxFault bounds what is read of a provider's error.
const maxFault = 1 << 20

// judge says why an answer's head is not passed on: redirects, refused keys,
// errors in no API's form, pages for people.
func (a *attempt) judge(resp *http.Response, body io.Reader) *refusal {
	who := title(a.target)
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch code := resp.StatusCode; {
	case code >= 300 && code < 400:
		return refuse(http.StatusBadGateway, "provider_redirects", "%s answered %d, a redirect to %s, which is not followed", who, code, place(resp)).
			hinted("%s set-inference-url with the address that it means", a.router.command())
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return refuse(http.StatusBadGateway, "provider_encoding", "%s sent an encoded answer that nobody asked for", who)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return a.refusedKey(code, body)
	case code < 200 || code >= 400:
		return a.fault(code, resp.Header.Get("Retry-After"), body)
	case media == "text/html":
		return refuse(http.StatusBadGateway, "provider_not_api", "%s at %s answered with a page for people, not with its API", who, a.target.URL.Host).
			hinted("check the address: %s set-inference-url URL", a.router.command())
	}
	return nil
}

// place is where a redirect leads: its host alone, which is all a reader needs.
func place(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	return (&url.URL{Scheme: to.Scheme, Host: to.Host}).String()
}

// refusedKey is said of a provider that does not know us: the key is the
// router's, not the agent's.
func (a *attempt) refusedKey(code int, body io.Reader) *refusal {
	text := a.faultText(body)
	a.router.keys.forget(a.target.Key)
	no := refuse(code, "provider_refused_key", "%s answered %d%s", title(a.target), code, text)
	if a.target.Key == "" {
		return no.hinted("give the provider a key in inference.yaml")
	}
	return no.hinted("nemoclaw secret set %s", a.target.Key)
}

// fault passes a provider's error on: its code and its text, in the form of the
// agent's API.
func (a *attempt) fault(code int, retry string, body io.Reader) *refusal {
	text := a.faultText(body)
	no := refuse(code, "provider_error", "%s answered %d%s", title(a.target), code, text)
	if seconds, err := strconv.Atoi(retry); err == nil && seconds > 0 {
		no.retry = time.Duration(seconds) * time.Second
	}
	missing := code == http.StatusNotFound && a.target.API == string(ollama) && strings.Contains(text, "not found")
	if missing {
		no.code = "model_not_found"
		return no.hinted("ollama pull %s", a.target.Model)
	}
	if code == http.StatusNotFound && a.target.API == string(anthropic) && strings.HasPrefix(text, ": model:") {
		no.code = "model_not_found"
		return no.hinted("%s set-model PROVIDER/MODEL", a.router.command())
	}
	if a.endpoint.metered() && code == http.StatusNotFound && !missing {
		return no.hinted("check the address: %s set-inference-url URL", a.router.command())
	}
	return no
}

// faultText is the text of a provider's error, "" where it has none that a
// program could have meant.
func (a *attempt) faultText(body io.Reader) string {
	raw, _ := io.ReadAll(io.LimitReader(body, maxFault)) // half an error is better than none
	raw = a.router.secrets.scrub(raw)
	var form struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"` // FastAPI's word, which many servers are built on
	}
	if !utf8.Valid(raw) || json.Unmarshal(raw, &form) != nil {
		return ", with no error in the form of its API"
	}
	for _, text := range []string{faultOf(form.Error), form.Message, faultOf(form.Detail)} {
		if text != "" {
			return ": " + shortened(text, maxError)
		}
	}
	return ""
}

// broken says why an answer could not be read to its end.
func (a *attempt) broken(err error) *refusal {
	who := title(a.target)
	switch {
	case errors.Is(err, errTooLong):
		return refuse(http.StatusBadGateway, "answer_too_long", "%s's answer was cut: it is longer than %d bytes", who, a.router.answer)
	case errors.Is(context.Cause(a.ctx), errIdle):
		return refuse(http.StatusGatewayTimeout, "provider_timeout", "%s's answer was cut: nothing came for %s", who, a.limits.Idle)
	case errors.Is(context.Cause(a.ctx), errTotal):
		return a.tooLong()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse(http.StatusBadGateway, "answer_incomplete", "%s's answer ended before it was complete", who)
	}
	var odd *malformed
	if wrong := (*misspoken)(nil); errors.As(err, &wrong) {
		return refuse(http.StatusBadGateway, "tool_call_malformed", "%s's answer makes no sense: %s", who, wrong.Error())
	}
	if errors.As(err, &odd) {
		return refuse(http.StatusBadGateway, "answer_malformed", "%s's answer makes no sense: %s", who, odd.why)
	}
	return refuse(http.StatusBadGateway, "answer_incomplete", "%s's answer broke off: %s", who, reason(err))
}

// malformed is an answer that is not what its API promises.
type malformed struct{ why string }

func (m *malformed) Error() string { return m.why }

func nonsense(format string, args ...any) error { return &malformed{fmt.Sprintf(format, args...)} }
