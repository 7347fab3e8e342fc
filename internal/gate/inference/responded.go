package inference

import (
	"encoding/json"
	"fmt"
	"strings"
)

// responded is the form of OpenAI's chat answers for an agent that calls
// OpenAI's responses. In a pipe, it comes after a form that counts.
type responded struct {
	*exchange
	ear
	tools  *toolbox
	wanted wanted
	id     string // without the kind before it

	begun, closed bool
	events        int
	output        []any   // items; one that is not complete is there as it began
	open          *speech // what is being said
	called        []*calling
}

// speech is a message or a thought while it is being said.
type speech struct {
	kind string
	at   int // in the output
	text strings.Builder
}

// calling is a call of a tool while its arguments come.
type calling struct {
	at   int // in the output
	item calledItem
}

func (r *responded) media() string { return "text/event-stream" }

func (r *responded) line(_, payload []byte) ([]byte, error) {
	if len(payload) == 0 || r.closed {
		return nil, nil
	}
	if string(payload) == sseEnd {
		return r.end()
	}
	w, err := r.hear(payload)
	if err != nil {
		return nil, err
	}
	return append(r.begin(), r.say(w)...), nil
}

func (r *responded) whole(body []byte) ([]byte, error) {
	w, err := r.hearWhole(body)
	if err != nil {
		return nil, err
	}
	out := append(r.begin(), r.say(w)...)
	last, err := r.end()
	if err != nil {
		return nil, err
	}
	if r.stream { // from a server that does not
		return append(out, last...), nil
	}
	return json.Marshal(r.response(r.status()))
}

// begin opens the response, once.
func (r *responded) begin() []byte {
	if r.begun {
		return nil
	}
	r.begun = true
	out := r.event("response.created", map[string]any{"response": r.response("in_progress")})
	return append(out, r.event("response.in_progress", map[string]any{"response": r.response("in_progress")})...)
}

// event is the next one of the stream.
func (r *responded) event(kind string, fields map[string]any) []byte {
	fields["sequence_number"] = r.events
	r.events++
	return named(kind, fields)
}

// of is an event about an item.
func (r *responded) of(kind string, id string, at int, fields map[string]any) []byte {
	fields["item_id"], fields["output_index"] = id, at
	return r.event(kind, fields)
}

func (r *responded) response(status string) *response {
	out := &response{
		ID: "resp_" + r.id, Object: "response", CreatedAt: r.began.Unix(), Status: status, Model: r.call.Asked, Output: r.output, wanted: r.wanted,
	}
	if out.Output == nil {
		out.Output = []any{}
	}
	if status == "in_progress" {
		return out
	}
	out.Usage = &responseUsage{InputTokens: r.used.PromptTokens, OutputTokens: r.used.CompletionTokens, TotalTokens: r.used.PromptTokens + r.used.CompletionTokens}
	out.Usage.InputDetails.CachedTokens = r.used.Details.CachedTokens
	if r.used.Out != nil {
		out.Usage.OutputDetails = *r.used.Out
	}
	if status == "incomplete" {
		out.Incomplete = &incomplete{"max_output_tokens"}
		if r.reason == "content_filter" {
			out.Incomplete.Reason = r.reason
		}
	}
	return out
}

// status is how the answer ended.
func (r *responded) status() string {
	if r.reason == "length" || r.reason == "content_filter" {
		return "incomplete"
	}
	return "completed"
}

// say passes on what one element adds.
func (r *responded) say(w word) []byte {
	out := append(r.speak(thoughtItem, w.thinking), r.speak(messageItem, w.text)...)
	for _, part := range w.calls {
		out = append(out, r.callTool(part)...)
	}
	return out
}

// partOf is the one part that a message or a thought has here.
func partOf(kind, text string) saidPart {
	if kind == messageItem {
		return saidPart{Type: "output_text", Text: text, Annotations: &[]any{}}
	}
	return saidPart{Type: "reasoning_text", Text: text}
}

func (r *responded) saidItem(kind string, at int, status string, parts ...saidPart) saidItem {
	if parts == nil {
		parts = []saidPart{}
	}
	item := saidItem{ID: r.itemID("msg", at), Type: kind, Status: status, Role: "assistant", Content: parts}
	if kind == thoughtItem {
		item.ID, item.Role, item.Summary = r.itemID("rs", at), "", &[]any{}
	}
	return item
}

func (r *responded) itemID(kind string, at int) string { return fmt.Sprintf("%s_%s%d", kind, r.id, at) }

// speak adds to what is being said, or begins it.
func (r *responded) speak(kind, text string) []byte {
	if text == "" {
		return nil
	}
	var out []byte
	if r.open == nil || r.open.kind != kind {
		out = append(r.hush(), r.beginSpeech(kind)...)
	}
	r.open.text.WriteString(text)
	fields := map[string]any{"content_index": 0, "delta": text}
	event := "response.reasoning_text.delta"
	if kind == messageItem {
		event, fields["logprobs"] = "response.output_text.delta", []any{}
	}
	return append(out, r.of(event, r.saidItem(kind, r.open.at, "").ID, r.open.at, fields)...)
}

func (r *responded) beginSpeech(kind string) []byte {
	at := len(r.output)
	r.open = &speech{kind: kind, at: at}
	item := r.saidItem(kind, at, "in_progress")
	r.output = append(r.output, item)
	out := r.event("response.output_item.added", map[string]any{"output_index": at, "item": item})
	return append(out, r.of("response.content_part.added", item.ID, at, map[string]any{"content_index": 0, "part": partOf(kind, "")})...)
}

// hush ends what is being said.
func (r *responded) hush() []byte {
	s := r.open
	if s == nil {
		return nil
	}
	r.open = nil
	text := s.text.String()
	item := r.saidItem(s.kind, s.at, "completed", partOf(s.kind, text))
	r.output[s.at] = item
	fields := map[string]any{"content_index": 0, "text": text}
	event := "response.reasoning_text.done"
	if s.kind == messageItem {
		event, fields["logprobs"] = "response.output_text.done", []any{}
	}
	out := r.of(event, item.ID, s.at, fields)
	out = append(out, r.of("response.content_part.done", item.ID, s.at, map[string]any{"content_index": 0, "part": partOf(s.kind, text)})...)
	return append(out, r.event("response.output_item.done", map[string]any{"output_index": s.at, "item": item})...)
}

// callTool passes on a part of a call: its beginning once it has a name, and the
// arguments as they come. Those of a custom tool are a text within JSON, which
// is known at the end.
func (r *responded) callTool(part callPart) []byte {
	for len(r.called) <= part.at {
		r.called = append(r.called, nil)
	}
	call := r.calls[part.at]
	if call.name == "" {
		return nil
	}
	var out []byte
	arguments := part.arguments
	c := r.called[part.at]
	if c == nil {
		c = r.newCall(call)
		r.called[part.at] = c
		out = append(r.hush(), r.event("response.output_item.added", map[string]any{"output_index": c.at, "item": c.item})...)
		arguments = string(call.arguments)
	}
	if c.item.Type == customItem || arguments == "" {
		return out
	}
	return append(out, r.of("response.function_call_arguments.delta", c.item.ID, c.at, map[string]any{"delta": arguments})...)
}

func (r *responded) newCall(call streamedCall) *calling {
	at := len(r.output)
	full := r.tools.own(call.name)
	c := &calling{at: at, item: calledItem{
		ID: r.itemID("fc", at), Type: callItem, Status: "in_progress", CallID: call.id, Name: full.name, Namespace: full.namespace, Arguments: new(string),
	}}
	if c.item.CallID == "" { // the agent's answer must name it
		c.item.CallID = r.itemID("call", at)
	}
	if r.tools.custom[call.name] {
		c.item.ID, c.item.Type, c.item.Arguments, c.item.Input = r.itemID("ctc", at), customItem, nil, new(string)
	}
	r.output = append(r.output, c.item)
	return c
}

// end closes what is open, and the response.
func (r *responded) end() ([]byte, error) {
	if r.closed {
		return nil, nil
	}
	r.closed = true
	whole, err := r.calls.whole()
	if err != nil {
		return nil, err
	}
	out := append(r.begin(), r.hush()...)
	for i, call := range whole {
		last, err := r.finishCall(r.called[i], call)
		if err != nil {
			return nil, err
		}
		out = append(out, last...)
	}
	status := r.status()
	return append(out, r.event("response."+status, map[string]any{"response": r.response(status)})...), nil
}

func (r *responded) finishCall(c *calling, call streamedCall) ([]byte, error) {
	var out []byte
	c.item.Status = "completed"
	if c.item.Type == customItem {
		var in struct {
			Input *string `json:"input"`
		}
		if strictly(call.arguments, &in) != nil || in.Input == nil {
			return nil, nonsense("the arguments for tool %.50q are not its text", call.name)
		}
		c.item.Input = in.Input
		out = r.of("response.custom_tool_call_input.delta", c.item.ID, c.at, map[string]any{"delta": *in.Input})
		out = append(out, r.of("response.custom_tool_call_input.done", c.item.ID, c.at, map[string]any{"input": *in.Input})...)
	} else {
		arguments := string(call.arguments)
		c.item.Arguments = &arguments
		out = r.of("response.function_call_arguments.done", c.item.ID, c.at, map[string]any{"name": c.item.Name, "arguments": arguments})
	}
	r.output[c.at] = c.item
	return append(out, r.event("response.output_item.done", map[string]any{"output_index": c.at, "item": c.item})...), nil
}

// fault ends a stream that has begun: by the event that clients of OpenAI's own
// heed, and by the one that tells what became of the response.
func (r *responded) fault(no *refusal) []byte {
	out := r.event("error", map[string]any{"code": no.code, "message": no.Error(), "param": nil, "error": no.asOpenAI()})
	failed := r.response("failed")
	failed.Error = &responseFault{no.code, no.Error()}
	return append(out, r.event("response.failed", map[string]any{"response": failed})...)
}
