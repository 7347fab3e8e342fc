package inference

import (
	"encoding/json"
	"time"
)

// turned is the form of OpenAI's chat answers for an agent that speaks Ollama's
// API. In a pipe, it comes after a form that counts.
type turned struct {
	*exchange
	ear
	generate bool // the agent called /api/generate
}

// ollamaAnswer is one element of Ollama's stream, or its whole answer. Times
// are nanoseconds.
type ollamaAnswer struct {
	Model      string         `json:"model"`
	CreatedAt  time.Time      `json:"created_at"`
	Message    *ollamaMessage `json:"message,omitempty"`  // of chat
	Response   *string        `json:"response,omitempty"` // of generate
	Thinking   string         `json:"thinking,omitempty"` // the same
	Done       bool           `json:"done"`
	DoneReason string         `json:"done_reason,omitempty"`

	TotalDuration      int64 `json:"total_duration,omitempty"`
	PromptEvalCount    int   `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64 `json:"prompt_eval_duration,omitempty"`
	EvalCount          int   `json:"eval_count,omitempty"`
	EvalDuration       int64 `json:"eval_duration,omitempty"`
}

func (t *turned) media() string { return "application/x-ndjson" }

func (t *turned) line(_, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	if string(payload) == sseEnd {
		return nil, nil
	}
	w, err := t.hear(payload)
	if err != nil || w.text == "" && w.thinking == "" {
		return nil, err
	}
	return t.element(w.text, w.thinking), nil
}

// element is a part of the answer as a line.
func (t *turned) element(text, thinking string) []byte {
	a := t.blank()
	t.put(a, text, thinking)
	return asLine(a)
}

func (t *turned) blank() *ollamaAnswer {
	return &ollamaAnswer{Model: t.call.Asked, CreatedAt: t.router.now().UTC()}
}

func (t *turned) put(a *ollamaAnswer, text, thinking string) {
	if t.generate {
		a.Response, a.Thinking = &text, thinking
		return
	}
	a.Message = &ollamaMessage{Role: "assistant", Content: text, Thinking: thinking}
}

// end gives the calls of tools, and the line that ends the stream.
func (t *turned) end() ([]byte, error) {
	calls, err := t.toolCalls()
	if err != nil {
		return nil, err
	}
	var out []byte
	if len(calls) > 0 && !t.generate {
		a := t.blank()
		a.Message = &ollamaMessage{Role: "assistant", ToolCalls: calls}
		out = asLine(a)
	}
	a := t.blank()
	t.put(a, "", "")
	t.close(a)
	return append(out, asLine(a)...), nil
}

func (t *turned) whole(body []byte) ([]byte, error) {
	w, err := t.hearWhole(body)
	if err != nil {
		return nil, err
	}
	calls, err := t.toolCalls()
	if err != nil {
		return nil, err
	}
	a := t.blank()
	t.put(a, w.text, w.thinking)
	if a.Message != nil {
		a.Message.ToolCalls = calls
	}
	t.close(a)
	if !t.stream {
		return json.Marshal(a)
	}
	return asLine(a), nil // a stream of one element, from a server that does not stream
}

// close says that the answer is complete.
func (t *turned) close(a *ollamaAnswer) {
	a.Done, a.DoneReason = true, t.reason
	if t.reason == "tool_calls" || t.reason == "function_call" || t.reason == "" {
		a.DoneReason = "stop"
	}
	total := t.router.now().Sub(t.began)
	first := time.Duration(t.call.FirstToken * float64(time.Millisecond))
	a.TotalDuration, a.PromptEvalDuration = int64(total), int64(first)
	a.EvalDuration = int64(max(total-first, 0))
	a.PromptEvalCount, a.EvalCount = t.tally.in, t.tally.out
}

// toolCalls are the calls, with their arguments as the object that Ollama's API
// has there.
func (t *turned) toolCalls() ([]called, error) {
	whole, err := t.calls.whole()
	if err != nil {
		return nil, err
	}
	var out []called
	for i, c := range whole {
		call := called{ID: c.id}
		call.Function.Index, call.Function.Name, call.Function.Arguments = &i, c.name, c.arguments
		out = append(out, call)
	}
	return out, nil
}

func asLine(a *ollamaAnswer) []byte {
	b, _ := json.Marshal(a) // its raw parts were checked
	return append(b, '\n')
}
