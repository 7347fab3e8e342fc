package inference

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// refusal is an answer of the router's own: why there is none of a model's. It
// is written in the form of the API that the agent speaks.
type refusal struct {
	status int
	code   string // in the words of OpenAI's API
	text   string
	hint   string        // what the operator does about it, a command if possible
	retry  time.Duration // when asking again makes sense; 0 says nothing
	ours   bool          // the policy's word: no provider was asked
}

func refuse(status int, code, format string, args ...any) *refusal {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	return &refusal{status: status, code: code, text: text}
}

func (n *refusal) hinted(format string, args ...any) *refusal {
	n.hint = fmt.Sprintf(format, args...)
	return n
}

// Error is the text, with the remedy: the agent can tell its person.
func (n *refusal) Error() string {
	if n.hint == "" {
		return n.text
	}
	return n.text + " → on the host: " + n.hint
}

// Hint is what the operator does about it.
func (n *refusal) Hint() string { return n.hint }

// openaiError is the form of OpenAI's errors.
type openaiError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// anthropicError is the form of Anthropic's errors.
type anthropicError struct {
	Type  string         `json:"type"`
	Error anthropicFault `json:"error"`
}

type anthropicFault struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// geminiError is the form of Gemini's errors, which is Google's for all.
type geminiError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// form is the refusal in the form of an API.
func (n *refusal) form(speaks api) any {
	switch speaks {
	case openai:
		return map[string]openaiError{"error": n.asOpenAI()}
	case anthropic:
		return anthropicError{Type: "error", Error: anthropicFault{Type: n.kindOfAnthropic(), Message: n.Error()}}
	case gemini:
		return map[string]geminiError{"error": {n.status, n.Error(), n.kindOfGemini()}}
	}
	return map[string]string{"error": n.Error()}
}

func (n *refusal) asOpenAI() openaiError {
	return openaiError{Message: n.Error(), Type: n.kind(), Code: n.code}
}

// body is the form as it is sent.
func (n *refusal) body(speaks api) []byte {
	b, _ := json.Marshal(n.form(speaks)) // strings always can be
	return b
}

// kind is the type of an error in the words of OpenAI's API.
func (n *refusal) kind() string {
	switch {
	case n.status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case n.status == http.StatusForbidden:
		return "permission_error"
	case n.status >= 500:
		return "api_error"
	}
	return "invalid_request_error"
}

// kindsOfAnthropic are the types of errors that Anthropic's API documents for a
// status; others are one of the first and the last.
var kindsOfAnthropic = map[int]string{
	http.StatusBadRequest:            "invalid_request_error",
	http.StatusUnauthorized:          "authentication_error",
	http.StatusPaymentRequired:       "billing_error",
	http.StatusForbidden:             "permission_error",
	http.StatusNotFound:              "not_found_error",
	http.StatusRequestEntityTooLarge: "request_too_large",
	http.StatusTooManyRequests:       "rate_limit_error",
	http.StatusGatewayTimeout:        "timeout_error",
	statusOverloaded:                 "overloaded_error",
	http.StatusInternalServerError:   "api_error",
}

// statusOverloaded is Anthropic's own: too many ask just now.
const statusOverloaded = 529

func (n *refusal) kindOfAnthropic() string {
	if kind, ok := kindsOfAnthropic[n.status]; ok {
		return kind
	}
	if n.status >= 500 {
		return kindsOfAnthropic[http.StatusInternalServerError]
	}
	return kindsOfAnthropic[http.StatusBadRequest]
}

// kindsOfGemini are Google's words for a status (google.rpc.Code).
var kindsOfGemini = map[int]string{
	http.StatusUnauthorized:        "UNAUTHENTICATED",
	http.StatusForbidden:           "PERMISSION_DENIED",
	http.StatusNotFound:            "NOT_FOUND",
	http.StatusMethodNotAllowed:    "UNIMPLEMENTED",
	http.StatusNotImplemented:      "UNIMPLEMENTED",
	http.StatusTooManyRequests:     "RESOURCE_EXHAUSTED",
	http.StatusGatewayTimeout:      "DEADLINE_EXCEEDED",
	http.StatusInternalServerError: "INTERNAL",
}

func (n *refusal) kindOfGemini() string {
	kind, ok := kindsOfGemini[n.status]
	switch {
	case ok:
		return kind
	case n.status >= 500:
		return "UNAVAILABLE"
	}
	return "INVALID_ARGUMENT"
}

// write sends the refusal as the whole answer.
func (n *refusal) write(w http.ResponseWriter, speaks api) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if n.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((n.retry+time.Second-1)/time.Second)))
	}
	if n.status == http.StatusTooManyRequests && n.retry == 0 {
		h.Set("X-Should-Retry", "false") // OpenAI's and Anthropic's clients heed it
	}
	w.WriteHeader(n.status)
	_, _ = w.Write(append(n.body(speaks), '\n')) // an agent that left does not care
}

// element is the refusal as a part of a stream that has begun.
func (n *refusal) element(speaks api) []byte {
	// The blank line first: the event before may have been cut short.
	switch speaks {
	case openai, gemini:
		return fmt.Appendf(nil, "\ndata: %s\n\n", n.body(speaks))
	case anthropic:
		return fmt.Appendf(nil, "\nevent: error\ndata: %s\n\n", n.body(speaks))
	}
	return append(n.body(speaks), '\n')
}
