package inference

import (
	"encoding/json"
	"fmt"
	"strings"
)

// events is the form of OpenAI's chat answers for an agent that speaks
// Anthropic's messages. In a pipe, it comes after a form that counts.
//
// What the model thinks is not passed on, but recorded: Anthropic's API takes
// no thoughts back that it has not signed, and the agent would send them.
type events struct {
	*exchange
	ear
	id     string // of the message; some agents take two of one id for one
	begun  bool
	closed bool
	blocks int  // begun
	open   bool // a block of text
}

// spoken is a message of Anthropic's, whole or at its beginning.
type spoken struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []any          `json:"content"` // blocks
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        anthropicUsage `json:"usage"`
}

func (v *events) media() string { return "text/event-stream" }

func (v *events) line(_, payload []byte) ([]byte, error) {
	if len(payload) == 0 || v.closed {
		return nil, nil
	}
	if string(payload) == sseEnd {
		return v.end()
	}
	before := v.hidden / pingEvery
	w, err := v.hear(payload)
	if err != nil {
		return nil, err
	}
	out := v.begin()
	switch {
	case w.text != "":
		return append(out, v.text(w.text)...), nil
	case v.hidden/pingEvery > before:
		return append(out, named("ping", map[string]any{})...), nil
	}
	return out, nil
}

// begin opens the message, once.
func (v *events) begin() []byte {
	if v.begun {
		return nil
	}
	v.begun = true
	return named("message_start", map[string]any{"message": v.message()})
}

func (v *events) message() *spoken {
	return &spoken{ID: v.id, Type: "message", Role: "assistant", Model: v.call.Asked, Content: []any{}, Usage: v.figures()}
}

// pingEvery is how many bytes of hidden text are worth a sign of life: while a
// model thinks, or writes what it gives to a tool, nothing else is sent.
const pingEvery = 1 << 10

// figures are those of OpenAI's API in Anthropic's words.
func (v *events) figures() anthropicUsage {
	cached := v.used.Details.CachedTokens
	return anthropicUsage{InputTokens: max(v.used.PromptTokens-cached, 0), CacheRead: cached, OutputTokens: v.used.CompletionTokens}
}

// text is a part of the answer's text.
func (v *events) text(text string) []byte {
	var out []byte
	if !v.open {
		v.open = true
		out = v.block(textBlock{Type: textKind})
	}
	return append(out, v.delta(map[string]string{"type": "text_delta", "text": text})...)
}

// block begins the next block.
func (v *events) block(b any) []byte {
	v.blocks++
	return named("content_block_start", map[string]any{"index": v.blocks - 1, "content_block": b})
}

func (v *events) delta(d any) []byte {
	return named("content_block_delta", map[string]any{"index": v.blocks - 1, "delta": d})
}

func (v *events) stop() []byte {
	return named("content_block_stop", map[string]any{"index": v.blocks - 1})
}

// end closes what is open, gives the calls of tools, and ends the message.
func (v *events) end() ([]byte, error) {
	if v.closed {
		return nil, nil
	}
	v.closed = true
	uses, err := v.uses()
	if err != nil {
		return nil, err
	}
	out := v.begin()
	if v.open {
		out = append(out, v.stop()...)
	}
	for _, use := range uses {
		input := string(use.Input)
		use.Input = json.RawMessage("{}")
		out = append(out, v.block(use)...)
		out = append(out, v.delta(map[string]string{"type": "input_json_delta", "partial_json": input})...)
		out = append(out, v.stop()...)
	}
	reason := map[string]any{"stop_reason": v.stopReason(), "stop_sequence": nil}
	out = append(out, named("message_delta", map[string]any{"delta": reason, "usage": v.figures()})...)
	return append(out, named("message_stop", map[string]any{})...), nil
}

// uses are the calls of tools as blocks.
func (v *events) uses() ([]useBlock, error) {
	whole, err := v.calls.whole()
	if err != nil {
		return nil, err
	}
	var out []useBlock
	for i, c := range whole {
		id := plainID(c.id)
		if id == "" { // the agent's answer must name it
			id = fmt.Sprintf("toolu_%s_%d", strings.TrimPrefix(v.id, "msg_"), i)
		}
		out = append(out, useBlock{useKind, id, c.name, c.arguments})
	}
	return out, nil
}

// stopReason is the reason for the answer's end in Anthropic's words.
func (v *events) stopReason() string {
	switch {
	case v.reason == "length":
		return "max_tokens"
	case v.reason == "content_filter":
		return "refusal"
	case len(v.calls) > 0:
		return useKind
	}
	return "end_turn"
}

func (v *events) whole(body []byte) ([]byte, error) {
	w, err := v.hearWhole(body)
	if err != nil {
		return nil, err
	}
	if v.stream { // from a server that does not
		return v.atOnce(w.text)
	}
	uses, err := v.uses()
	if err != nil {
		return nil, err
	}
	m := v.message()
	if w.text != "" {
		m.Content = append(m.Content, textBlock{Type: textKind, Text: w.text})
	}
	for _, use := range uses {
		m.Content = append(m.Content, use)
	}
	reason := v.stopReason()
	m.StopReason = &reason
	return json.Marshal(m)
}

// atOnce is a whole answer as a stream.
func (v *events) atOnce(text string) ([]byte, error) {
	out := v.begin()
	if text != "" {
		out = append(out, v.text(text)...)
	}
	last, err := v.end()
	return append(out, last...), err
}

// named is a server-sent event of a kind, with its fields.
func named(kind string, fields map[string]any) []byte {
	fields["type"] = kind
	b, _ := json.Marshal(fields) // its raw parts were checked
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, b)
}
