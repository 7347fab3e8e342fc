package inference

import (
	"bytes"
	"encoding/json"
)

// replies is the form of an answer to OpenAI's responses from who has them: it
// passes as it is, but for the model's name.
type replies struct {
	*exchange
	rename bool
	name   []byte // the line before an event's data, which goes on with that
}

// replied is what an answer may have: one element of a stream, or the whole.
type replied struct {
	Type     string       `json:"type"`
	Delta    string       `json:"delta"`
	Item     *repliedItem `json:"item"`
	Response *replied     `json:"response"`

	// Of an element that is an error.
	Message string `json:"message"`

	// Of the whole.
	Status string          `json:"status"`
	Error  json.RawMessage `json:"error"`
	Output []repliedItem   `json:"output"`
	Usage  *responseUsage  `json:"usage"`
}

type repliedItem struct {
	Type      string     `json:"type"`
	Content   []saidPart `json:"content"`
	Name      string     `json:"name"`
	Arguments string     `json:"arguments"`
	Input     string     `json:"input"`
}

func (r *replies) media() string        { return "" }
func (r *replies) end() ([]byte, error) { return nil, nil }

func (r *replies) line(line, payload []byte) ([]byte, error) {
	if bytes.HasPrefix(line, []byte("event:")) {
		r.name = append(r.name, line...)
		return nil, nil
	}
	line = append(r.name, line...)
	r.name = nil
	if len(payload) == 0 {
		return line, nil
	}
	e, err := readAs[replied](payload)
	if err != nil {
		return nil, err
	}
	if r.tally.reply(e) {
		r.first()
	}
	if err := r.tally.uncallable(); err != nil {
		return nil, err
	}
	if r.tally.fault != "" && !r.sent { // another provider may do better
		return nil, nonsense("it is an error: %s", r.tally.fault)
	}
	if !r.rename || e.Response == nil {
		return line, nil
	}
	at := bytes.LastIndex(line, payload)
	out := append([]byte(nil), line[:at]...)
	out = append(out, renamedWithin(payload, "response", r.call.Asked)...)
	return append(out, line[at+len(payload):]...), nil
}

func (r *replies) whole(body []byte) ([]byte, error) {
	e, err := readAs[replied](body)
	if err != nil {
		return nil, err
	}
	r.tally.answered(e)
	for _, item := range e.Output {
		for _, part := range item.Content {
			r.tally.speak(item.Type, part.Text)
		}
		r.tally.item(&item)
	}
	r.tally.done, r.tally.short = true, e.Status == "incomplete"
	if err := r.tally.uncallable(); err != nil {
		return nil, err
	}
	if r.rename {
		body = renamed(body, "model", r.call.Asked)
	}
	return body, nil
}

// reply takes one element of a streamed response. It says whether the element
// held something that was said.
func (t *tally) reply(e *replied) bool {
	before := t.size
	switch e.Type {
	case "response.output_text.delta":
		t.speak(messageItem, e.Delta)
	case "response.reasoning_text.delta", "response.reasoning_summary_text.delta":
		t.speak(thoughtItem, e.Delta)
	case "response.output_item.done":
		if e.Item != nil {
			t.item(e.Item)
		}
	case "response.completed", "response.incomplete", "response.failed":
		t.done, t.short = true, e.Type != "response.completed"
		if e.Response != nil {
			t.answered(e.Response)
		}
	case "error":
		if t.fault, t.done = e.Message, true; t.fault == "" {
			t.fault = faultOf(e.Error)
		}
	}
	return t.size > before
}

// answered takes what only the whole has.
func (t *tally) answered(e *replied) {
	if f := faultOf(e.Error); f != "" {
		t.fault = f
	}
	if u := e.Usage; u != nil {
		t.in, t.out, t.cached = max(t.in, u.InputTokens), max(t.out, u.OutputTokens), max(t.cached, u.InputDetails.CachedTokens)
	}
}

func (t *tally) speak(kind, text string) {
	if kind == thoughtItem {
		t.say(&t.thinking, text)
		return
	}
	t.say(&t.text, text)
}

// item takes a call of a tool.
func (t *tally) item(item *repliedItem) {
	if item.Type != callItem && item.Type != customItem || len(t.tools) > maxTools {
		return
	}
	call := streamedCall{name: item.Name, free: item.Type == customItem}
	call.take(item.Arguments + item.Input)
	t.tools = append(t.tools, call)
	t.size += len(item.Name) + len(call.arguments)
}
