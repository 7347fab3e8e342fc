package inference

import (
	"encoding/json"
	"fmt"
	"strings"
)

// chunks is the form of Anthropic's answers for an agent that speaks OpenAI's
// chat completions. In a pipe, it comes after a form that counts.
type chunks struct {
	*exchange
	figures bool // the agent wants them at the end of a stream

	id     string
	used   anthropicUsage
	tools  int    // calls begun
	open   bool   // the last one has no arguments yet
	reason string // why it ended
}

// completion is an answer in OpenAI's form, or a chunk of one.
type completion struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"` // Unix seconds
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   *completionUsage   `json:"usage,omitempty"`
}

type completionChoice struct {
	Index        int             `json:"index"`
	Delta        *completionSaid `json:"delta,omitempty"`
	Message      *completionSaid `json:"message,omitempty"`
	FinishReason *string         `json:"finish_reason"`
}

type completionSaid struct {
	Role             string       `json:"role,omitempty"`
	Content          any          `json:"content,omitempty"` // text, or JSON's null
	ReasoningContent string       `json:"reasoning_content,omitempty"`
	ToolCalls        []openaiCall `json:"tool_calls,omitempty"`
}

type completionUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	Details          struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	Out *completionDetails `json:"completion_tokens_details,omitempty"`
}

type completionDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

func (c *chunks) media() string        { return "" }
func (c *chunks) end() ([]byte, error) { return nil, nil }

func (c *chunks) line(_, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	e, err := readAs[event](payload)
	if err != nil {
		return nil, err
	}
	if f := faultOf(e.Error); f != "" {
		return nil, nonsense("it is an error: %s", f)
	}
	switch e.Type {
	case "message_start":
		return c.start(e.Message), nil
	case "content_block_start":
		return c.begin(e.Block), nil
	case "content_block_delta":
		return c.more(e.Delta), nil
	case "content_block_stop":
		return c.stop(), nil
	case "message_delta":
		c.count(e.Usage)
		if e.Delta != nil && e.Delta.StopReason != "" {
			c.reason = e.Delta.StopReason
		}
	case "message_stop":
		return c.close(), nil
	}
	return nil, nil // a ping, or what is yet to be invented
}

func (c *chunks) start(m *event) []byte {
	if m != nil {
		c.id = m.ID
		c.count(m.Usage)
	}
	return c.delta(completionSaid{Role: "assistant", Content: ""})
}

// count takes figures: each is of the whole so far.
func (c *chunks) count(u *anthropicUsage) {
	if u == nil {
		return
	}
	if u.in() > 0 {
		c.used.InputTokens, c.used.CacheCreation, c.used.CacheRead = u.InputTokens, u.CacheCreation, u.CacheRead
	}
	c.used.OutputTokens = max(c.used.OutputTokens, u.OutputTokens)
}

func (c *chunks) begin(h *heard) []byte {
	if h == nil {
		return nil
	}
	if h.Type != useKind {
		return c.more(h)
	}
	call := openaiCall{Index: new(int), ID: h.ID, Type: "function"}
	*call.Index = c.tools
	call.Function.Name, call.Function.Arguments = h.Name, h.input()
	c.tools, c.open = c.tools+1, h.input() == ""
	return c.delta(completionSaid{ToolCalls: []openaiCall{call}})
}

func (c *chunks) more(h *heard) []byte {
	switch {
	case h == nil:
	case h.Text != "":
		return c.delta(completionSaid{Content: h.Text})
	case h.Thinking != "":
		return c.delta(completionSaid{ReasoningContent: h.Thinking})
	case h.PartialJSON != "":
		return c.arguments(h.PartialJSON)
	}
	return nil
}

// arguments adds to those of the last call.
func (c *chunks) arguments(part string) []byte {
	if c.tools == 0 {
		return nil
	}
	c.open = false
	call := openaiCall{Index: new(int)}
	*call.Index = c.tools - 1
	call.Function.Arguments = part
	return c.delta(completionSaid{ToolCalls: []openaiCall{call}})
}

// stop ends a block: a call that was given no arguments has none.
func (c *chunks) stop() []byte {
	if !c.open {
		return nil
	}
	return c.arguments("{}")
}

// close ends the stream.
func (c *chunks) close() []byte {
	last := c.blank("chat.completion.chunk")
	reason := finishOf(c.reason)
	last.Choices = []completionChoice{{Delta: &completionSaid{}, FinishReason: &reason}}
	out := asEvent(last)
	if c.figures {
		figures := c.blank("chat.completion.chunk")
		figures.Choices, figures.Usage = []completionChoice{}, usageOf(c.used)
		out = append(out, asEvent(figures)...)
	}
	return append(out, "data: "+sseEnd+"\n\n"...)
}

func (c *chunks) delta(said completionSaid) []byte {
	chunk := c.blank("chat.completion.chunk")
	chunk.Choices = []completionChoice{{Delta: &said}}
	return asEvent(chunk)
}

func (c *chunks) blank(object string) completion {
	return completion{ID: c.id, Object: object, Created: c.began.Unix(), Model: c.call.Asked}
}

func (c *chunks) whole(body []byte) ([]byte, error) {
	e, err := readAs[event](body)
	if err != nil {
		return nil, err
	}
	if e.Type != "message" {
		return nil, nonsense("it is no message")
	}
	c.id = e.ID
	c.count(e.Usage)
	var text, thinking strings.Builder
	said := &completionSaid{Role: "assistant", Content: json.RawMessage("null")}
	for _, b := range e.Content {
		text.WriteString(b.Text)
		thinking.WriteString(b.Thinking)
		if b.Type != useKind {
			continue
		}
		call := openaiCall{ID: b.ID, Type: "function"}
		call.Function.Name, call.Function.Arguments = b.Name, "{}"
		if in := b.input(); in != "" {
			call.Function.Arguments = in
		}
		said.ToolCalls = append(said.ToolCalls, call)
	}
	if all := text.String(); all != "" || len(said.ToolCalls) == 0 {
		said.Content = all
	}
	said.ReasoningContent = thinking.String()
	reason := finishOf(e.StopReason)
	out := c.blank("chat.completion")
	out.Choices, out.Usage = []completionChoice{{Message: said, FinishReason: &reason}}, usageOf(c.used)
	return json.Marshal(out)
}

// finishOf is the reason for an answer's end in OpenAI's words.
func finishOf(reason string) string {
	switch reason {
	case "max_tokens", "model_context_window_exceeded":
		return "length"
	case "tool_use":
		return "tool_calls"
	case "refusal":
		return "content_filter"
	}
	return "stop"
}

func usageOf(u anthropicUsage) *completionUsage {
	out := &completionUsage{PromptTokens: u.in(), CompletionTokens: u.OutputTokens, TotalTokens: u.in() + u.OutputTokens}
	out.Details.CachedTokens = u.CacheRead
	return out
}

// asEvent is v as a server-sent event without a name.
func asEvent(v any) []byte {
	b, _ := json.Marshal(v) // its raw parts were checked
	return fmt.Appendf(nil, "data: %s\n\n", b)
}
